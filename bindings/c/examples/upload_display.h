/* What the upload example shows while it works: a bar on a terminal, lines elsewhere. */
#ifndef UPLOAD_DISPLAY_H
#define UPLOAD_DISPLAY_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "glacier_mp.h"

struct display {
    const glacier_upload_t *upload;
    int is_terminal;
    int id_shown, bar_shown;
    uint64_t sampled_ms, sampled_bytes; /* where the last sample of the rate ended */
    double rate;                        /* bytes a second on the wire, smoothed */
    uint64_t next_percent, next_ms;     /* when the next line is due */
};

static double mib(double bytes)
{
    return bytes / 1048576;
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void clear_bar(struct display *display)
{
    if (display->bar_shown)
        fprintf(stderr, "\r%*s\r", columns() - 1, "");
    display->bar_shown = 0;
}

/* The last column stays free: text in it would make some terminals wrap. */
static void draw_bar(struct display *display, uint64_t percent, const char *text)
{
    char line[512];
    int width = columns() - 1, room = width - (int)strlen(text) - 3;
    int bar = room > 40 ? 40 : room >= 10 ? room : 0;
    int full = bar * (int)percent / 100;

    if (bar > 0)
        snprintf(line, sizeof line, "[%.*s%*s] %s", full, "########################################", bar - full, "",
                 text);
    else
        snprintf(line, sizeof line, "%s", text);
    fprintf(stderr, "\r%-*.*s", width, width, line);
    fflush(stderr);
    display->bar_shown = 1;
}

/* Parts are acknowledged whole, the wire moves steadily: progress is taken from the first, the rate from the second. */
static void measure_rate(struct display *display, const glacier_progress_t *p)
{
    uint64_t ms = p->elapsed_ms - display->sampled_ms;
    if (ms < 1000 && display->rate > 0)
        return;
    if (ms > 0) {
        double now = (double)(p->bytes_sent - display->sampled_bytes) * 1000 / (double)ms;
        display->rate = display->rate > 0 ? 0.7 * display->rate + 0.3 * now : now;
    }
    display->sampled_ms = p->elapsed_ms;
    display->sampled_bytes = p->bytes_sent;
}

/* How much is there; of how much, and when the rest will be, if that is known. */
static void describe(const struct display *display, const glacier_progress_t *p, uint64_t percent, char *text, size_t room)
{
    uint64_t held = p->bytes_done + p->bytes_resumed;
    char of_all[64] = "", left[40] = "", known[8] = "";
    if (p->bytes_total != UINT64_MAX) {
        snprintf(known, sizeof known, "%3d%% ", (int)percent);
        snprintf(of_all, sizeof of_all, "/%.0f", mib((double)p->bytes_total));
        snprintf(left, sizeof left, " ETA --:--");
        if (display->rate > 0) {
            uint64_t s = (uint64_t)((double)(p->bytes_total - held) / display->rate);
            snprintf(left, sizeof left, " ETA %" PRIu64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
        }
    }
    snprintf(text, room, "%s%.0f%s MiB %.1f MiB/s%s %" PRIu64 " in flight %" PRIu64 " retries", known,
             mib((double)held), of_all, mib(display->rate), left, p->parts_in_flight, p->retries);
}

static int32_t show_progress(void *user_data, const glacier_progress_t *p)
{
    struct display *display = user_data;
    uint64_t percent = 0;
    char text[240];

    if (!display->id_shown && glacier_upload_id(display->upload) != NULL) {
        /* Early, so that whatever becomes of this process, the upload can be carried on. */
        clear_bar(display);
        fprintf(stderr, "upload ID: %s\n", glacier_upload_id(display->upload));
        display->id_shown = 1;
    }
    if (p->workers == 0) /* nothing is known until the source is open and the service has been asked */
        return GLACIER_CONTINUE;
    if (p->bytes_total != UINT64_MAX) /* as of a stream before its end */
        percent = (uint64_t)((double)(p->bytes_done + p->bytes_resumed) * 100 / (double)p->bytes_total);
    measure_rate(display, p);
    describe(display, p, percent, text, sizeof text);
    if (display->is_terminal) {
        draw_bar(display, percent, text);
    } else if (percent >= display->next_percent || p->elapsed_ms >= display->next_ms) {
        fprintf(stderr, "%s\n", text);
        display->next_percent = (percent / 10 + 1) * 10;
        display->next_ms = p->elapsed_ms + 10000;
    }
    return GLACIER_CONTINUE;
}

static void show_log(void *user_data, glacier_log_level_t level, const char *message)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    clear_bar(user_data);
    fprintf(stderr, "%s: %s\n", level >= GLACIER_LOG_ERROR && level <= GLACIER_LOG_DEBUG ? names[level] : "log",
            message);
}

#endif
