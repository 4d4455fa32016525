/* Plans and tree hashes against known values, without a client. */
#include "local.h"

static void check_plan(uint64_t size, uint64_t part_size, uint64_t want_size, uint32_t want_count)
{
    glacier_plan_t *plan = NULL;
    OK(glacier_plan_new(size, part_size, &plan, &err));
    CHECK_NUMBER(glacier_plan_part_size(plan), want_size);
    CHECK_NUMBER(glacier_plan_part_count(plan), want_count);
    CHECK_NUMBER(glacier_plan_request_count(plan), want_count + 2);
    CHECK(glacier_plan_memory(plan, 8) >= glacier_plan_memory(plan, 1));
    glacier_plan_free(plan);
}

static void plans(void)
{
    const uint64_t mib = MIB, largest = 10000 * 4096 * mib;
    glacier_plan_t *none = NULL;
    check_plan(16986931, 4 * mib, 4 * mib, 5); /* 16.2 MiB */
    check_plan(10695475, mib, mib, 11);        /* 10.2 MiB */
    check_plan(1, 0, 16 * mib, 1);
    check_plan(10000 * 16 * mib, 0, 16 * mib, 10000);
    check_plan(10000 * 16 * mib + 1, 0, 32 * mib, 5001);
    check_plan(largest, 0, 4096 * mib, 10000);
    FAILS(GLACIER_E_INVALID, glacier_plan_new(0, 0, &none, &err));
    FAILS(GLACIER_E_INVALID, glacier_plan_new(largest + 1, 0, &none, &err));
    FAILS_WITH(GLACIER_E_INVALID, "3145728", glacier_plan_new(1, 3 * mib, &none, &err));
    FAILS(GLACIER_E_INVALID, glacier_plan_new(10000 * mib + 1, mib, &none, &err));
    CHECK(none == NULL);
}

/* In pieces of any size, and again with the same handle. */
static void check_hash(glacier_treehash_t *hasher, const uint8_t *data, size_t size, size_t piece, const char *want)
{
    uint8_t hash[32];
    char hex[65];
    for (size_t at = 0; at < size; at += piece)
        OK(glacier_treehash_update(hasher, data + at, size - at < piece ? size - at : piece, &err));
    OK(glacier_treehash_finish(hasher, hash, &err));
    to_hex(hash, hex);
    CHECK_TEXT(hex, want);
}

static void hashes(void)
{
    static const char whole[] = "8bfce57c6a4076b3e930e725fbaa00beeffff0f0d9a6491a89a53baa73b4810d";
    const size_t size = 7 * MIB;
    uint8_t *data = local_data(size), parts[4][32], hash[32];
    char hex[65];
    glacier_treehash_t *hasher = glacier_treehash_new();

    check_hash(hasher, data, 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hash(hasher, (const uint8_t *)"a", 1, 1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
    check_hash(hasher, data, 1023, 7, "1c5e88a585b61754df6137d66632a7348557a88358afc401b0a0a4fc427104a9");
    check_hash(hasher, data, 2097151, 65537, "35266c9a859cfa0468539e20eade7e2f00ae2283df63d995dec1b97fc19bf3c5");
    check_hash(hasher, data, 2097152, 1048576, "bf4dff263ae686b64403208c35a3767e38453d6477e841947588d13d04e1d816");
    check_hash(hasher, data, size, size, whole);
    check_hash(hasher, data, size, 999983, whole);

    /* Parts of 2 MiB, the last of 1 MiB. */
    for (size_t i = 0; i < 4; i++) {
        OK(glacier_treehash_update(hasher, data + 2 * i * MIB, i == 3 ? MIB : 2 * MIB, &err));
        OK(glacier_treehash_finish(hasher, parts[i], &err));
    }
    OK(glacier_treehash_combine(parts[0], 4, hash, &err));
    to_hex(hash, hex);
    CHECK_TEXT(hex, whole);
    FAILS(GLACIER_E_INVALID, glacier_treehash_combine(parts[0], 0, hash, &err));
    FAILS(GLACIER_E_IO, glacier_treehash_file("/nonexistent", 0, NULL, NULL, hash, &err));
    glacier_treehash_free(hasher);
    free(data);
}

int main(void)
{
    plans();
    hashes();
    CHECK_TEXT(glacier_version(), GLACIER_MP_VERSION);
    CHECK_NUMBER(glacier_version_number(), GLACIER_MP_VERSION_NUMBER);
    CHECK_NUMBER(glacier_abi_version(), GLACIER_MP_ABI_VERSION);
    return 0;
}
