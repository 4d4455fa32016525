/*
 * secrets_in_memory CA_FILE|- key|echo|provider|proxy|SOURCE: counts the copies of the secret key and of the session token in
 * the writable memory of this process, while a client is alive and after all handles are freed. Also counts those in
 * the blocks that are freed: later allocations overwrite only some of them. SOURCE is a source that
 * the environment selects. Both are in the environment variables SECRET and TOKEN with each byte inverted, so that the
 * only plain copy of the program is the one that it passes and wipes. With "proxy", they are the password of the proxy,
 * whose address is in the environment variable PROXY, and the user name and the password as a request has them.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <unistd.h>

#include "local.h"

/* A piece from the middle of a secret, inverted: a copy of a piece also counts. */
#define PIECE 20

/* Returns the byte of an inverted byte. */
static uint8_t plain_byte(char inverted)
{
    return (uint8_t)(0xff ^ (uint8_t)inverted);
}

static size_t count_in(const uint8_t *memory, size_t size, const char *inverted)
{
    size_t count = 0;
    const uint8_t first = plain_byte(inverted[0]);
    for (const uint8_t *at = memory;
         size >= PIECE && (at = memchr(at, first, (size_t)(memory + size - PIECE - at) + 1)); at++) {
        size_t same = 1;
        while (same < PIECE && at[same] == plain_byte(inverted[same]))
            same++;
        count += same == PIECE;
        if (at == memory + size - PIECE)
            break;
    }
    return count;
}

/* The pieces of the secret key and of the session token, after main has set them. */
static const char *secret_piece, *token_piece;
static atomic_size_t secrets_in_freed_blocks, tokens_in_freed_blocks;

/* The functions of the C library in place of which the library calls those below. */
extern void __libc_free(void *block);
extern void *__libc_realloc(void *block, size_t size);

static void count_freed(size_t secrets, size_t tokens)
{
    atomic_fetch_add(&secrets_in_freed_blocks, secrets);
    atomic_fetch_add(&tokens_in_freed_blocks, tokens);
}

void free(void *block)
{
    if (block != NULL && token_piece != NULL) {
        size_t size = malloc_usable_size(block);
        count_freed(count_in(block, size, secret_piece), count_in(block, size, token_piece));
    }
    __libc_free(block);
}

/* A block that moves is freed. */
void *realloc(void *block, size_t size)
{
    size_t secrets = 0, tokens = 0;
    if (block != NULL && token_piece != NULL) {
        size_t old_size = malloc_usable_size(block);
        secrets = count_in(block, old_size, secret_piece);
        tokens = count_in(block, old_size, token_piece);
    }
    void *moved = __libc_realloc(block, size);
    if (moved != NULL && moved != block)
        count_freed(secrets, tokens);
    return moved;
}

/* Counts in all writable mappings of this process. The buffer is cleared, so that it does not count as a copy. */
static size_t copies(const char *inverted)
{
    static uint8_t buffer[1 << 20];
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    CHECK(maps != NULL && memory >= 0);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[1] != 'w')
            continue;
        while (from < to) {
            size_t size = to - from < sizeof buffer ? to - from : sizeof buffer;
            ssize_t got = pread64(memory, buffer, size, (off64_t)from);
            if (got <= 0)
                break;
            size_t here = count_in(buffer, (size_t)got, inverted);
            if (here > 0 && getenv("VERBOSE") != NULL)
                fprintf(stderr, "%zu at %lx: %s", here, from, line);
            count += here;
            memset(buffer, 0, sizeof buffer);
            if ((size_t)got < size || from + size == to)
                break;
            from += size - PIECE;
        }
    }
    fclose(maps);
    close(memory);
    return count;
}

/* Returns a plain copy, which the caller wipes. */
static char *plain(const char *name)
{
    const char *inverted = getenv(name);
    size_t length = strlen(inverted);
    char *text = (char *)malloc(length + 1);
    for (size_t i = 0; i <= length; i++)
        text[i] = i < length ? (char)plain_byte(inverted[i]) : '\0';
    return text;
}

static void wipe(char *text)
{
    explicit_bzero(text, strlen(text));
    free(text);
}

static int32_t provide(void *user_data, glacier_credentials_t *out)
{
    char *secret = plain("SECRET"), *token = plain("TOKEN");
    (void)user_data;
    OK(glacier_credentials_set(out, getenv("KEY_ID"), secret, token, 0, &err));
    wipe(secret);
    wipe(token);
    return GLACIER_CONTINUE;
}

static void report(const char *when)
{
    size_t secrets = copies(secret_piece), tokens = copies(token_piece);
    printf("%s: %zu %zu\n", when, secrets, tokens);
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 3);
    uint8_t *data = local_data(5 * MIB);
    secret_piece = getenv("SECRET") + 8;
    token_piece = getenv("TOKEN") + 30;
    report("before");
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    if (strcmp(argv[2], "provider") == 0) {
        OK(glacier_config_set_credentials_provider(config, provide, NULL, NULL, &err));
    } else if (strcmp(argv[2], "key") == 0 || strcmp(argv[2], "echo") == 0) {
        char *secret = plain("SECRET"), *token = plain("TOKEN");
        OK(glacier_config_set_credentials(config, getenv("KEY_ID"), secret, token, &err));
        wipe(secret);
        wipe(token);
    } else if (strcmp(argv[2], "proxy") == 0) {
        char url[256], *password = plain("SECRET");
        snprintf(url, sizeof url, "http://user:%s@%s", password, getenv("PROXY"));
        OK(glacier_config_set_proxy(config, url, &err));
        explicit_bzero(url, sizeof url);
        wipe(password);
    }
    if (strcmp(argv[1], "-") != 0)
        OK(glacier_config_set_ca_file(config, argv[1], &err));
    OK(glacier_client_new(config, &client, &err));
    report("client");
    for (int round = 0; round < 2; round++) {
        glacier_upload_t *upload = local_upload(client);
        glacier_uploads_t *uploads = NULL;
        OK(glacier_upload_set_source_memory(upload, data, 5 * MIB, &err));
        OK(glacier_upload_run(upload, &err));
        OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
        glacier_uploads_free(uploads);
        glacier_upload_free(upload);
    }
    report("alive");
    glacier_client_free(client);
    glacier_config_free(config);
    report("freed");
    printf("in freed blocks: %zu %zu\n", (size_t)secrets_in_freed_blocks, (size_t)tokens_in_freed_blocks);
    free(data);
    return 0;
}
