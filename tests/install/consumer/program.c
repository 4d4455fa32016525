/* Computes a tree hash with an installed library, and prints the version of the library. */
#include <glacier_mp.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    /* The SHA-256 of "abc" in FIPS 180-2. */
    static const uint8_t known[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                      0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                      0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t hash[32];
    glacier_error_t *err = NULL;
    glacier_treehash_t *treehash = glacier_treehash_new();
    int equal = glacier_treehash_update(treehash, "abc", 3, &err) == GLACIER_OK &&
                glacier_treehash_finish(treehash, hash, &err) == GLACIER_OK && memcmp(hash, known, sizeof known) == 0;
    glacier_treehash_free(treehash);
    glacier_error_free(err);
    puts(glacier_version());
    return equal && glacier_version_number() == GLACIER_MP_VERSION_NUMBER ? 0 : 1;
}
