// Shared by the C++ programs: owners of handles, and conversion of errors to exceptions. C++11 and later.
#ifndef OWNED_HPP
#define OWNED_HPP

#include <memory>
#include <stdexcept>
#include <string>

#include "glacier_mp.h"

struct Free {
    void operator()(glacier_config_t *config) const { glacier_config_free(config); }
    void operator()(glacier_client_t *client) const { glacier_client_free(client); }
    void operator()(glacier_upload_t *upload) const { glacier_upload_free(upload); }
    void operator()(glacier_error_t *error) const { glacier_error_free(error); }
};

template <typename T> using Owned = std::unique_ptr<T, Free>;

inline void require(bool condition, const std::string &what)
{
    if (!condition)
        throw std::runtime_error(what);
}

// Makes a call and throws its error.
template <typename Call> void check(Call call)
{
    glacier_error_t *err = nullptr;
    const glacier_result_t result = call(&err);
    const Owned<glacier_error_t> error(err);
    if (result != GLACIER_OK)
        throw std::runtime_error(std::string(glacier_result_name(result)) + ": " + glacier_error_message(err));
}

// Returns a client of the local Glacier that the harness started. Endpoint, region and keys are in the environment.
inline Owned<glacier_client_t> local_client(uint32_t workers)
{
    const Owned<glacier_config_t> config(glacier_config_new());
    check([&](glacier_error_t **err) { return glacier_config_set_concurrency(config.get(), workers, err); });
    glacier_client_t *client = nullptr;
    check([&](glacier_error_t **err) { return glacier_client_new(config.get(), &client, err); });
    return Owned<glacier_client_t>(client);
}

inline Owned<glacier_upload_t> local_upload(glacier_client_t *client)
{
    glacier_upload_t *upload = nullptr;
    check([&](glacier_error_t **err) { return glacier_upload_new(client, "examplevault", &upload, err); });
    Owned<glacier_upload_t> owned(upload);
    check([&](glacier_error_t **err) { return glacier_upload_set_part_size(upload, 1 << 20, err); });
    return owned;
}

#endif
