// read.c, written.c and background.c in C++, with the C header: a std::istream as the source, a streaming upload, and a
// std::future for a background run. C++11 and later.
#include <cstdlib>
#include <future>
#include <iostream>
#include <sstream>

#include "owned.hpp"

namespace {

const std::size_t size = (2 << 20) + 1000;

// Byte i is i mod 251. The harness expects these bytes in the archives.
std::string data()
{
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; i++)
        bytes[i] = static_cast<char>(i % 251);
    return bytes;
}

// No exception may leave a callback. It is converted to GLACIER_STOP.
extern "C" int32_t read_stream(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    try {
        std::istream &in = *static_cast<std::istream *>(user_data);
        in.read(reinterpret_cast<char *>(buf), static_cast<std::streamsize>(cap));
        *out_len = static_cast<std::size_t>(in.gcount());
        return in.bad() ? GLACIER_STOP : GLACIER_CONTINUE;
    } catch (...) {
        return GLACIER_STOP;
    }
}

extern "C" void delete_stream(void *user_data)
{
    delete static_cast<std::istream *>(user_data);
}

extern "C" void keep_promise(void *user_data, glacier_result_t result, const glacier_error_t *error)
{
    std::promise<std::string> &promise = *static_cast<std::promise<std::string> *>(user_data);
    if (result == GLACIER_OK)
        promise.set_value("stored");
    else
        promise.set_exception(
            std::make_exception_ptr(std::runtime_error(glacier_result_name(glacier_error_code(error)))));
}

extern "C" void delete_promise(void *user_data)
{
    delete static_cast<std::promise<std::string> *>(user_data);
}

void read_from(glacier_upload_t *upload, std::istream *in)
{
    check([&](glacier_error_t **err) {
        return glacier_upload_set_source_callback(upload, read_stream, GLACIER_UNKNOWN_LENGTH, in, delete_stream, err);
    });
}

std::future<std::string> start(glacier_upload_t *upload)
{
    std::promise<std::string> *promise = new std::promise<std::string>;
    std::future<std::string> future = promise->get_future();
    check([&](glacier_error_t **err) {
        return glacier_upload_start(upload, keep_promise, promise, delete_promise, err);
    });
    return future;
}

void run()
{
    const Owned<glacier_client_t> client = local_client(2);
    const std::string bytes = data();

    const Owned<glacier_upload_t> written = local_upload(client.get());
    for (std::size_t at = 0; at < size; at += 4099) {
        const std::string piece = bytes.substr(at, 4099);
        check([&](glacier_error_t **err) {
            return glacier_upload_write(written.get(), piece.data(), piece.size(), err);
        });
    }
    check([&](glacier_error_t **err) { return glacier_upload_finish(written.get(), err); });

    const Owned<glacier_upload_t> started = local_upload(client.get());
    read_from(started.get(), new std::istringstream(bytes));
    require(start(started.get()).get() == "stored", "the future has the result of the run");
    check([&](glacier_error_t **err) { return glacier_upload_wait(started.get(), GLACIER_FOREVER, err); });
    require(std::string(glacier_upload_tree_hash(started.get())) == glacier_upload_tree_hash(written.get()),
            "both are the same archive");

    // If the source fails, the future throws.
    const Owned<glacier_upload_t> failing = local_upload(client.get());
    std::istream *broken = new std::istringstream(bytes);
    broken->setstate(std::ios::badbit);
    read_from(failing.get(), broken);
    try {
        start(failing.get()).get();
        throw std::logic_error("the run must fail");
    } catch (const std::runtime_error &e) {
        require(std::string(e.what()).find("GLACIER_E_CALLBACK") != std::string::npos, e.what());
    }
}

} // namespace

int main()
{
    try {
        run();
        return EXIT_SUCCESS;
    } catch (const std::exception &e) {
        std::cerr << "streams: " << e.what() << '\n';
        return EXIT_FAILURE;
    }
}
