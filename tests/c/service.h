/* Sets faults of the local Glacier and reads its request list, through its admin API. POSIX. */
#ifndef SERVICE_H
#define SERVICE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

#define STALLED_PART(part) \
    "{\"operation\": \"UploadMultipartPart\", \"part\": " #part ", \"times\": null, \"action\": {\"kind\": \"stall\"}}"
#define REFUSED_PART(part) "{\"operation\": \"UploadMultipartPart\", \"part\": " #part ", \"times\": null, " REFUSAL "}"
#define REFUSED(operation) "{\"operation\": \"" #operation "\", \"times\": null, " REFUSAL "}"
#define REFUSAL \
    "\"action\": {\"kind\": \"status\", \"status\": 403, " \
    "\"body\": \"{\\\"code\\\": \\\"AccessDeniedException\\\", \\\"message\\\": \\\"No.\\\"}\"}"

/* Returns the whole response, which the caller frees. */
static inline char *ask_service(const char *method, const char *what, const char *document)
{
    const char *port = strrchr(getenv("AWS_ENDPOINT_URL_GLACIER"), ':');
    struct sockaddr_in address;
    size_t length = 0, room = 1 << 16;
    char *answer = (char *)malloc(room);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(port != NULL && fd >= 0 && answer != NULL);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(port + 1));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK(dprintf(fd, "%s /.admin/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", method, what,
                  strlen(document), document) > 0);
    shutdown(fd, SHUT_WR); /* so that the server closes the connection after its response */
    for (ssize_t n; (n = read(fd, answer + length, room - length - 1)) > 0;) {
        length += (size_t)n;
        if (length + 1 == room)
            answer = (char *)realloc(answer, room *= 2);
        CHECK(answer != NULL);
    }
    close(fd);
    answer[length] = '\0';
    CHECK(strncmp(answer, "HTTP/1.1 2", 10) == 0);
    return answer;
}

/* Adds this fault, until service_works. */
static inline void service_fault(const char *fault)
{
    free(ask_service("POST", "faults", fault));
}

static inline void service_works(void)
{
    free(ask_service("DELETE", "faults", ""));
}

/* Returns how often the text occurs in the service's request list: "operation" occurs once per request. */
static inline unsigned requests_with(const char *text)
{
    char *answer = ask_service("GET", "requests", "");
    unsigned count = 0;
    for (const char *at = answer; (at = strstr(at, text)) != NULL; at++)
        count++;
    free(answer);
    return count;
}

/* Returns the number of requests that the service has begun to read and to which a stall applies. A request that it reads
 * only after service_works is served. */
static inline unsigned stalled_requests(void)
{
    return requests_with("\"stall\"");
}

static inline unsigned requests_so_far(void)
{
    return requests_with("\"operation\"");
}

#endif
