// certificates.c with the C++ interface: certificates [CA_FILE].
#include <glacier_mp.hpp>

#include <cstdlib>
#include <iostream>

namespace gmp = glacier_mp;

int main(int argc, char **argv)
{
    try {
        gmp::config config;
        config.max_attempts(1);
        if (argc > 1)
            config.ca_file(argv[1]);
        const gmp::client client(config);
        client.list_uploads("examplevault");
        std::cout << "result: GLACIER_OK\n";
    } catch (const gmp::error &e) {
        std::cout << "result: " << glacier_result_name(e.code()) << "\nmessage: " << e.what() << '\n';
    }
    return EXIT_SUCCESS;
}
