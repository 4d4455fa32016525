// run_file FILE: run_file.c in C++, with the C header. C++11 and later.
#include <cstdlib>
#include <iostream>

#include "owned.hpp"

namespace {

struct Seen {
    int calls = 0;
    glacier_progress_t last = glacier_progress_t();
    bool destroyed = false;
};

extern "C" int32_t watch(void *user_data, const glacier_progress_t *progress)
{
    Seen *seen = static_cast<Seen *>(user_data);
    seen->calls++;
    seen->last = *progress;
    return GLACIER_CONTINUE;
}

extern "C" void destroy(void *user_data)
{
    static_cast<Seen *>(user_data)->destroyed = true;
}

void run_file(const char *path)
{
    const Owned<glacier_client_t> client = local_client(4);
    Seen seen;
    {
        const Owned<glacier_upload_t> owned = local_upload(client.get());
        glacier_upload_t *upload = owned.get();
        check([&](glacier_error_t **err) { return glacier_upload_set_description(upload, "a file, from C++", err); });
        check([&](glacier_error_t **err) { return glacier_upload_set_source_file(upload, path, err); });
        check([&](glacier_error_t **err) { return glacier_upload_set_progress(upload, watch, &seen, destroy, err); });
        check([&](glacier_error_t **err) { return glacier_upload_run(upload, err); });

        require(seen.calls > 0 && seen.last.parts_done == 11, "progress reports all parts");
        require(glacier_upload_state(upload) == GLACIER_STATE_COMPLETED, "the upload is completed");
        require(glacier_upload_archive_id(upload) != nullptr, "the archive ID is set");
        require(glacier_upload_abort(upload, nullptr) == GLACIER_E_STATE, "abort fails after completion");
        require(!seen.destroyed, "user_data is not destroyed before the handle");
    }
    require(seen.destroyed, "user_data is destroyed with the handle");
}

} // namespace

int main(int argc, char **argv)
{
    try {
        require(argc == 2, "usage: run_file FILE");
        run_file(argv[1]);
        return EXIT_SUCCESS;
    } catch (const std::exception &e) {
        std::cerr << "run_file: " << e.what() << '\n';
        return EXIT_FAILURE;
    }
}
