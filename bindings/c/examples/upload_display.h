/* The progress display of the upload example: a bar on a terminal, lines elsewhere. */
#ifndef UPLOAD_DISPLAY_H
#define UPLOAD_DISPLAY_H

#include <inttypes.h>
#include <sys/ioctl.h>

#include "output.h"

struct display {
    const glacier_upload_t *upload;
    int is_terminal;
    int id_shown, bar_shown;
    uint64_t sampled_ms, sampled_bytes; /* the end of the last rate sample */
    double rate;                        /* bytes per second on the wire, smoothed */
    uint64_t next_percent, next_ms;     /* when the next line is due */
    uint64_t shown_retries;             /* in the last line */
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

/* The last column stays empty: some terminals wrap after it. */
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

/* The progress counts acknowledged parts. The rate is that of the wire, which is steadier. */
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

/* Formats the stored bytes, and, if known, the total and the remaining time. */
static void describe(const struct display *display, const glacier_progress_t *p, uint64_t percent, char *text,
                     size_t room)
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

/* Shows the text in place of the last bar, or as a line if there is no terminal. */
static void show(struct display *display, const glacier_progress_t *p, uint64_t percent, const char *text)
{
    int first_retry = display->shown_retries == 0 && p->retries > 0;
    if (display->is_terminal) {
        draw_bar(display, percent, text);
    } else if (percent >= display->next_percent || p->elapsed_ms >= display->next_ms || first_retry) {
        fprintf(stderr, "%s\n", text);
        display->next_percent = (percent / 10 + 1) * 10;
        display->next_ms = p->elapsed_ms + 10000;
        display->shown_retries = p->retries;
    }
}

static int32_t show_progress(void *user_data, const glacier_progress_t *p)
{
    struct display *display = user_data;
    uint64_t percent = 0;
    char text[240];

    if (!display->id_shown && glacier_upload_id(display->upload) != NULL) {
        /* Printed early: if this process is killed, the upload can be resumed by its ID. */
        clear_bar(display);
        fprintf(stderr, "upload ID: %s\n", glacier_upload_id(display->upload));
        display->id_shown = 1;
    }
    if (p->workers == 0) { /* the size is unknown until the source is open and the service has responded */
        if (p->retries > 0) {
            snprintf(text, sizeof text, "waiting for the service, %" PRIu64 " retries", p->retries);
            show(display, p, 0, text);
        }
        return GLACIER_CONTINUE;
    }
    if (p->bytes_total != UINT64_MAX) /* unknown for a stream before its end */
        percent = (uint64_t)((double)(p->bytes_done + p->bytes_resumed) * 100 / (double)p->bytes_total);
    measure_rate(display, p);
    describe(display, p, percent, text, sizeof text);
    show(display, p, percent, text);
    return GLACIER_CONTINUE;
}

/* Removes the bar first, so that the line is separate. */
static void show_log(void *display, glacier_log_level_t level, const char *message)
{
    clear_bar(display);
    log_to_stderr("upload", level, message);
}

#endif
