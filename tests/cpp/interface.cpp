// The C++ interface against the local Glacier: each type, and each kind of error and exception. C++17 and later; the
// parts that need C++20 are tested with C++20.
#include <glacier_mp.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "service.h"

namespace {

using namespace std::chrono_literals;
namespace gmp = glacier_mp;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::size_t size = 2 * mib + 1000;

// Byte i is i mod 251. The harness expects these bytes in the archives.
std::string data()
{
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; i++)
        bytes[i] = static_cast<char>(i % 251);
    return bytes;
}

struct interruption : std::logic_error {
    interruption() : std::logic_error("thrown by a callback") {}
};

template <typename Error, typename Call> Error thrown_by(Call &&call)
{
    try {
        call();
    } catch (const Error &e) {
        checked();
        return e;
    }
    throw std::runtime_error("the call did not throw");
}

gmp::client local_client()
{
    return gmp::client(gmp::config().concurrency(2).memory_limit(8 * mib).connect_timeout(5s).stall_timeout(1min));
}

gmp::upload local_upload(const gmp::client &client)
{
    gmp::upload upload(client, "examplevault");
    upload.part_size(mib);
    return upload;
}

void check_archive(const gmp::archive &archive, const gmp::upload &upload)
{
    CHECK(!archive.id.empty() && archive.id == upload.archive_id());
    CHECK(archive.location == upload.archive_location());
    CHECK(archive.tree_hash == gmp::to_hex(gmp::treehash().update(data()).finish()));
    CHECK(upload.state() == gmp::state::completed);
}

void uploads_from_every_source(const gmp::client &client, const std::filesystem::path &file)
{
    const std::string bytes = data();
    {
        gmp::upload upload = local_upload(client);
        gmp::progress last{};
        upload.source_file(file).description("from a file").on_progress([&](const gmp::progress &now) { last = now; });
        check_archive(upload.run(), upload);
        CHECK_NUMBER(last.bytes_done, size);
        CHECK(last.bytes_stored() == size && last.fraction() == 1.0 && last.elapsed() <= upload.progress().elapsed());
        CHECK_NUMBER(upload.progress().parts_done, 3);
        CHECK_NUMBER(upload.part_size(), mib);
        CHECK(upload.vault() == "examplevault" && !upload.id().empty() && !upload.location().empty());
    }
    {
        const gmp::client from_environment;
        gmp::upload upload = local_upload(from_environment);
        CHECK(!upload.progress().fraction());
        check_archive(upload.source_memory(bytes.data(), bytes.size()).run(), upload);
    }
    {
        gmp::upload upload = local_upload(client);
        std::istringstream in(bytes);
        check_archive(upload.source_stream(in).run(), upload);
    }
    {
        gmp::upload upload = local_upload(client);
        std::size_t at = 0;
        const auto read = [&](std::byte *buffer, std::size_t capacity) {
            const std::size_t length = std::min({capacity, size - at, std::size_t{10007}});
            std::memcpy(buffer, bytes.data() + at, length);
            at += length;
            return length;
        };
        check_archive(upload.source_callback(read, size).run(), upload);
    }
    {
        gmp::upload upload = local_upload(client);
        gmp::ostream out(upload);
        for (std::size_t at = 0; at < size; at += 100003)
            out << bytes.substr(at, 4096) << std::flush << bytes.substr(at + 4096, 100003 - 4096);
        CHECK(out.good());
        check_archive(out.finish(), upload);
    }
    {
        gmp::upload upload = local_upload(client);
        upload.initiate();
        std::thread other([&] { upload.put_part(1, bytes.data() + mib, mib); });
        upload.put_part(0, bytes.data(), mib, gmp::treehash().update(bytes.data(), mib).finish());
        other.join();
        upload.put_part(2, bytes.data() + 2 * mib, size - 2 * mib);
        const auto parts = upload.list_parts();
        CHECK_NUMBER(parts.size(), 3);
        CHECK(parts[2].offset == 2 * mib && parts[2].length == 1000 && parts[2].tree_hash.size() == 64);
        check_archive(upload.complete(), upload);
    }
#if defined(__cpp_lib_span)
    const auto span = std::as_bytes(std::span(bytes));
    {
        gmp::upload upload = local_upload(client);
        upload.initiate();
        upload.put_part(0, span.first(mib), gmp::treehash().update(span.first(mib)).finish());
        upload.put_part(1, span.subspan(mib, mib));
        upload.put_part(2, span.subspan(2 * mib));
        check_archive(upload.complete(), upload);
    }
    {
        gmp::upload upload = local_upload(client);
        auto left = span;
        const auto read = [&](std::span<std::byte> buffer) {
            const auto next = left.first(std::min(left.size(), buffer.size()));
            std::ranges::copy(next, buffer.begin());
            left = left.subspan(next.size());
            return next.size();
        };
        check_archive(upload.source_callback(read).run(), upload);
    }
#endif
}

void errors_have_their_class_and_details(const gmp::client &client)
{
    auto usage = thrown_by<gmp::usage_error>([&] { gmp::upload(client, "no/vault"); });
    CHECK_NUMBER(usage.code(), GLACIER_E_INVALID);
    CHECK_TEXT(usage.name(), "GLACIER_E_INVALID");
    usage = thrown_by<gmp::usage_error>([&] { gmp::upload(client, std::string_view("nul\0", 4)); });
    CHECK(std::string(usage.what()).find("position 3") != std::string::npos);
    thrown_by<gmp::usage_error>([] { gmp::config().stall_timeout(-1ms); });
    gmp::config().proxy("http://user:password@127.0.0.1:3128").proxy("");
    thrown_by<gmp::usage_error>([] { gmp::config().proxy("socks5://127.0.0.1:1080"); });
    usage = thrown_by<gmp::usage_error>([] { gmp::client(gmp::config().profile("absent")); });
    CHECK(std::string(usage.what()).find("\"absent\" (set by the program) does not exist") != std::string::npos);
    thrown_by<gmp::usage_error>([] { gmp::treehash::combine({}); });

    gmp::upload missing = local_upload(client);
    const auto local = thrown_by<gmp::local_error>([&] { missing.source_file("/no/such/file").run(); });
    CHECK_NUMBER(local.code(), GLACIER_E_IO);

    gmp::upload nowhere(client, "nosuchvault");
    const gmp::service_error service = thrown_by<gmp::service_error>([&] { nowhere.initiate(); });
    CHECK(service.http_status() == 404 && service.service_code() == "ResourceNotFoundException");
    CHECK(service.operation() == "InitiateMultipartUpload" && !service.request_id().empty());
    CHECK(!service.is_retryable() && !service.is_resumable());
    static_assert(std::is_nothrow_copy_constructible_v<gmp::service_error>);

    gmp::upload wrong = local_upload(client);
    wrong.initiate();
    thrown_by<gmp::integrity_error>([&] { wrong.put_part(0, "x", 1, gmp::digest{}); });
    const auto uploads = client.list_uploads("examplevault");
    CHECK_NUMBER(uploads.size(), 1);
    CHECK(uploads[0].id == wrong.id() && uploads[0].part_size == mib);
    CHECK(uploads[0].created > std::chrono::system_clock::now() - 24h);
    wrong.abort();
    CHECK(wrong.state() == gmp::state::aborted);

    client.cancel();
    const auto canceled = thrown_by<gmp::stopped_error>([&] { client.list_uploads("examplevault"); });
    CHECK_NUMBER(canceled.code(), GLACIER_E_CANCELED);
    CHECK_NUMBER(client.list_uploads("examplevault").size(), 0);
}

void calls_throw_the_exceptions_of_callbacks(const gmp::client &client)
{
    const std::string bytes = data();
    service_fault(STALLED_PART(1));
    gmp::upload upload = local_upload(client);
    // A stop during Initiate would leave an upload without a handle.
    upload.source_memory(bytes.data(), bytes.size()).initiate();
    upload.on_progress([](const gmp::progress &) { throw interruption(); });
    thrown_by<interruption>([&] { upload.run(); });
    // A callback that returns false throws nothing. The earlier exception is not thrown again.
    upload.on_progress([](const gmp::progress &) { return false; });
    const auto stopped = thrown_by<gmp::stopped_error>([&] { upload.run(); });
    CHECK(stopped.code() == GLACIER_E_CALLBACK && stopped.is_resumable());
    service_works();
    upload.on_progress([](const gmp::progress &) { return true; });
    check_archive(upload.run(), upload);
    gmp::upload quick = local_upload(client);
    quick.source_memory(bytes.data(), bytes.size()).on_progress([](const gmp::progress &now) {
        if (now.bytes_done == size)
            throw interruption();
    });
    thrown_by<interruption>([&] { quick.run(); });
    if (quick.state() != gmp::state::completed)
        quick.abort();

    gmp::upload reading = local_upload(client);
    reading.source_callback([](std::byte *, std::size_t) -> std::size_t { throw interruption(); });
    thrown_by<interruption>([&] { reading.run(); });
    gmp::upload started = local_upload(client);
    started.source_callback([](std::byte *, std::size_t) -> std::size_t { throw interruption(); });
    auto future = started.start();
    thrown_by<interruption>([&] { future.get(); });
    thrown_by<interruption>([&] { started.wait(); });
    std::istringstream broken(bytes);
    broken.setstate(std::ios::badbit);
    std::istringstream failed(bytes);
    failed.setstate(std::ios::failbit);
    std::ifstream absent("/absent/file");
    for (std::istream *stream : std::initializer_list<std::istream *>{&broken, &failed, &absent}) {
        gmp::upload streamed = local_upload(client);
        streamed.source_stream(*stream);
        thrown_by<std::ios_base::failure>([&] { streamed.run(); });
    }

    // Each call that waits for keys throws the exception of the provider.
    const gmp::client keyless(gmp::config().credentials_provider([]() -> gmp::credentials { throw interruption(); }));
    thrown_by<interruption>([&] { keyless.list_uploads("examplevault"); });
    gmp::upload one(keyless, "examplevault");
    thrown_by<interruption>([&] { one.initiate(); });
    const auto keys = [] {
        return gmp::credentials{getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), "",
                                std::chrono::system_clock::now() + 1h};
    };
    const gmp::client keyed(gmp::config().credentials_provider(keys).log(
        gmp::log_level::debug, [](gmp::log_level, std::string_view) { throw interruption(); }));
    CHECK_NUMBER(keyed.list_uploads("examplevault").size(), 0);
    const gmp::client fixed(gmp::config().fixed_credentials(keys()));
    CHECK_NUMBER(fixed.list_uploads("examplevault").size(), 0);

    // An upload whose own callback stopped it does not throw the earlier exception of the provider.
    gmp::upload another = local_upload(keyless);
    another.source_callback([](std::byte *, std::size_t capacity) { return capacity + 1; });
    CHECK_NUMBER(thrown_by<gmp::stopped_error>([&] { another.run(); }).code(), GLACIER_E_CALLBACK);

    // finish() throws the error of a failed write.
    gmp::upload refused(client, "nosuchvault");
    refused.part_size(mib);
    gmp::ostream out(refused);
    out << bytes;
    thrown_by<gmp::service_error>([&] { out.finish(); });
}

void background_runs_return_futures(const gmp::client &client)
{
    const std::string bytes = data();
    gmp::upload upload = local_upload(client);
    upload.source_memory(bytes.data(), bytes.size());
    std::future<gmp::archive> future = upload.start();
    upload.wait();
    check_archive(future.get(), upload);
    CHECK(upload.wait_for(0ms));

    // An exception of the last progress callback is thrown by the future and by each wait.
    gmp::upload late = local_upload(client);
    late.source_memory(bytes.data(), bytes.size()).on_progress([](const gmp::progress &now) {
        if (now.bytes_done == size)
            throw interruption();
    });
    future = late.start();
    thrown_by<interruption>([&] { late.wait(); });
    thrown_by<interruption>([&] { late.wait_for(0ms); });
    thrown_by<interruption>([&] { future.get(); });
    if (late.state() != gmp::state::completed)
        late.abort();

    // The upload is moved during the run, and destroyed before the run ends.
    service_fault(STALLED_PART(1));
    {
        gmp::upload stalled = local_upload(client);
        stalled.source_memory(bytes.data(), bytes.size()).initiate();
        future = stalled.start();
        gmp::upload moved = std::move(stalled);
        CHECK(!moved.wait_for(1ms));
        thrown_by<gmp::usage_error>([&] { moved.run(); });
    }
    CHECK_NUMBER(thrown_by<gmp::stopped_error>([&] { future.get(); }).code(), GLACIER_E_CANCELED);
    service_works();
    for (const gmp::upload_info &left : client.list_uploads("examplevault")) {
        gmp::upload attached(client, "examplevault");
        attached.upload_id(left.id).abort();
    }
}

#if defined(__cpp_lib_jthread)
template <typename Call> void check_stops(gmp::upload &upload, Call &&call)
{
    std::stop_source stop;
    upload.on_progress([&](const gmp::progress &now) {
        if (now.parts_in_flight > 0)
            stop.request_stop();
    });
    CHECK_NUMBER(thrown_by<gmp::stopped_error>([&] { call(stop.get_token()); }).code(), GLACIER_E_CANCELED);
    upload.on_progress([](const gmp::progress &) {});
}

void stop_tokens_cancel_calls(const gmp::client &client)
{
    const std::string bytes = data();
    std::stop_source stopped;
    stopped.request_stop();
    const std::stop_token never;
    service_fault(STALLED_PART(1));
    gmp::upload upload = local_upload(client);
    upload.source_memory(bytes.data(), bytes.size());
    check_stops(upload, [&](const std::stop_token &token) { upload.run(token); });
    check_stops(upload, [&](const std::stop_token &token) { upload.transfer(token); });
    check_stops(upload, [&](const std::stop_token &token) { upload.start(token).get(); });
    thrown_by<gmp::stopped_error>([&] { upload.start(stopped.get_token()).get(); });
    service_works();
    upload.transfer(never);
    thrown_by<gmp::stopped_error>([&] { upload.complete(stopped.get_token()); });
    check_archive(upload.complete(never), upload);
    gmp::upload written = local_upload(client);
    written.write(bytes);
    check_archive(written.finish(never), written);
    thrown_by<gmp::stopped_error>([&] { client.list_uploads("examplevault", stopped.get_token()); });
    CHECK_NUMBER(client.list_uploads("examplevault", never).size(), 0);

    // A run in the background ends before its token stops.
    std::stop_source later;
    gmp::upload quick = local_upload(client);
    auto future = quick.source_memory(bytes.data(), bytes.size()).start(later.get_token());
    check_archive(future.get(), quick);
    quick.wait();
    later.request_stop();
    check_archive(quick.run(), quick);
}
#endif

void tree_hashes_and_plans(const std::filesystem::path &file)
{
    const std::string bytes = data();
    const gmp::digest whole = gmp::treehash().update(bytes).finish();
    CHECK(gmp::treehash::file(file) == whole);
    std::uint64_t hashed = 0;
    CHECK(gmp::treehash::file(file, 1, [&](const gmp::progress &now) { hashed = now.bytes_hashed; }) == whole);
    CHECK_NUMBER(hashed, size);
    const auto interrupted = [](const gmp::progress &) { throw interruption(); };
    thrown_by<interruption>([&] { gmp::treehash::file(file, 1, interrupted); });
    std::vector<gmp::digest> parts;
    for (std::size_t at = 0; at < size; at += mib)
        parts.push_back(gmp::treehash().update(std::string_view(bytes).substr(at, mib)).finish());
    CHECK(gmp::treehash::combine(parts) == whole);
    CHECK(gmp::to_hex(gmp::treehash().finish()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const gmp::plan plan(size, mib);
    CHECK(plan.part_count() == 3 && plan.request_count() == 5 && plan.part_size() == mib && plan.memory(2) >= mib);
    CHECK(gmp::version() == GLACIER_MP_VERSION && gmp::version_number() == GLACIER_MP_VERSION_NUMBER);
    CHECK_NUMBER(gmp::abi_version(), GLACIER_MP_ABI_VERSION);
#if defined(__cpp_lib_span)
    const auto span = std::as_bytes(std::span(bytes));
    CHECK(gmp::treehash().update(span).finish() == whole);
#endif
}

} // namespace

int main(int, char **arguments)
{
    try {
        const gmp::client client = local_client();
        uploads_from_every_source(client, arguments[1]);
        errors_have_their_class_and_details(client);
        calls_throw_the_exceptions_of_callbacks(client);
        background_runs_return_futures(client);
#if defined(__cpp_lib_jthread)
        stop_tokens_cancel_calls(client);
#endif
        tree_hashes_and_plans(arguments[1]);
        return EXIT_SUCCESS;
    } catch (const std::exception &e) {
        std::cerr << "interface: " << e.what() << '\n';
        return EXIT_FAILURE;
    }
}
