// Uploads a file and prints the progress. Run it again to resume. Usage: upload VAULT FILE
#include <glacier_mp.hpp>

#include <iostream>

int main(int argc, char **argv) {
    if (argc != 3) {
        std::cerr << "usage: upload VAULT FILE\n";
        return 2;
    }
    try {
        const std::filesystem::path file = argv[2];
        const glacier_mp::client client; // region and keys from the environment
        glacier_mp::upload upload(client, argv[1]);
        upload.source_file(file).journal(file.string() + ".glacier").description(file.filename().string());
        upload.on_progress([](const glacier_mp::progress &now) {
            std::cerr << '\r' << now.bytes_stored() << " bytes stored, " << now.retries << " retries ";
        });
        const auto archive = upload.run();
        std::cerr << '\n'; // ends the line of the progress
        std::cout << archive.id << '\n';
        return 0;
    } catch (const glacier_mp::error &e) {
        std::cerr << '\n' << e.name() << ": " << e.what() << '\n';
        return 1;
    }
}
