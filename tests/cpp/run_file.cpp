// run_file FILE: what run_file.c does, from C++ with the C header. C++11 and later.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "glacier_mp.h"

namespace {

struct Free {
    void operator()(glacier_config_t *config) const { glacier_config_free(config); }
    void operator()(glacier_client_t *client) const { glacier_client_free(client); }
    void operator()(glacier_upload_t *upload) const { glacier_upload_free(upload); }
    void operator()(glacier_error_t *error) const { glacier_error_free(error); }
};

template <typename T>
using Owned = std::unique_ptr<T, Free>;

void require(bool condition, const std::string &what)
{
    if (!condition)
        throw std::runtime_error(what);
}

// Makes the call with an err of its own and throws what it says.
template <typename Call>
void check(Call call)
{
    glacier_error_t *err = nullptr;
    const glacier_result_t result = call(&err);
    const Owned<glacier_error_t> error(err);
    if (result != GLACIER_OK)
        throw std::runtime_error(std::string(glacier_result_name(result)) + ": " + glacier_error_message(err));
}

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
    const Owned<glacier_config_t> config(glacier_config_new());
    check([&](glacier_error_t **err) { return glacier_config_set_concurrency(config.get(), 4, err); });
    glacier_client_t *client = nullptr;
    check([&](glacier_error_t **err) { return glacier_client_new(config.get(), &client, err); });
    const Owned<glacier_client_t> owned_client(client);

    Seen seen;
    {
        glacier_upload_t *upload = nullptr;
        check([&](glacier_error_t **err) { return glacier_upload_new(client, "examplevault", &upload, err); });
        const Owned<glacier_upload_t> owned_upload(upload);
        check([&](glacier_error_t **err) { return glacier_upload_set_part_size(upload, 1 << 20, err); });
        check([&](glacier_error_t **err) { return glacier_upload_set_description(upload, "a file, from C++", err); });
        check([&](glacier_error_t **err) { return glacier_upload_set_source_file(upload, path, err); });
        check([&](glacier_error_t **err) { return glacier_upload_set_progress(upload, watch, &seen, destroy, err); });
        check([&](glacier_error_t **err) { return glacier_upload_run(upload, err); });

        require(seen.calls > 0 && seen.last.parts_done == 11, "progress reaches the end");
        require(glacier_upload_state(upload) == GLACIER_STATE_COMPLETED, "the upload is completed");
        require(glacier_upload_archive_id(upload) != nullptr, "the archive ID is known");
        require(glacier_upload_abort(upload, nullptr) == GLACIER_E_STATE, "an archive is not aborted");
        require(!seen.destroyed, "user_data is kept while the handle lives");
    }
    require(seen.destroyed, "user_data is given back");
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
