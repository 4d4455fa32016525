// Computes a tree hash with an installed library, and prints the version of the library.
#include <glacier_mp.hpp>

#include <iostream>

int main()
{
    glacier_mp::treehash treehash;
    treehash.update(std::string_view("abc"));
    std::cout << glacier_mp::version() << '\n';
    // The SHA-256 of "abc" in FIPS 180-2.
    return glacier_mp::to_hex(treehash.finish()) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
               ? 0
               : 1;
}
