//! Name lookup with the system's `getaddrinfo`. The lookup of std does not distinguish its errors.

#![allow(unsafe_code)] // getaddrinfo returns a linked list of C structures.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

use libc::{addrinfo, c_int};

/// The cause of a failed lookup.
#[derive(Debug)]
pub(crate) enum LookupFailure {
    /// The name does not exist or has no address.
    NotFound(String),
    /// Any other failure; it may be transient.
    Failed(String),
    /// A system call failed.
    System(io::Error),
}

/// Returns the TCP addresses of a host in the system's order of preference (RFC 6724). Blocks as long as the system's
/// resolver does.
pub(crate) fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupFailure> {
    let name = CString::new(host).map_err(|_| LookupFailure::NotFound("it contains a NUL byte".to_owned()))?;
    // SAFETY: an all-zero `addrinfo` is valid: no flags, any family, null pointers.
    let mut hints: addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = AddressList(ptr::null_mut());
    // SAFETY: `name` is NUL-terminated, `hints` is initialized, and the output pointer is valid.
    let code = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut list.0) };
    if code != 0 {
        return Err(failure(code));
    }
    Ok(list.addresses(port))
}

fn failure(code: c_int) -> LookupFailure {
    match code {
        libc::EAI_SYSTEM => LookupFailure::System(io::Error::last_os_error()),
        libc::EAI_MEMORY => LookupFailure::System(io::Error::from_raw_os_error(libc::ENOMEM)),
        libc::EAI_NONAME | libc::EAI_NODATA => LookupFailure::NotFound(text(code)),
        _ => LookupFailure::Failed(text(code)),
    }
}

fn text(code: c_int) -> String {
    // SAFETY: the function accepts any number.
    let text = unsafe { libc::gai_strerror(code) };
    if text.is_null() {
        return format!("getaddrinfo error {code}");
    }
    // SAFETY: the text is NUL-terminated and static.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A linked list returned by `getaddrinfo`, freed on drop. May be null.
struct AddressList(*mut addrinfo);

impl AddressList {
    fn addresses(&self, port: u16) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        let mut next = self.0;
        // SAFETY: each entry of the list is valid until the list is freed, which is after this call.
        while let Some(entry) = unsafe { next.as_ref() } {
            addresses.extend(socket_address(entry, port));
            next = entry.ai_next;
        }
        addresses
    }
}

impl Drop for AddressList {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the list came from getaddrinfo and is freed once.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}

fn socket_address(entry: &addrinfo, port: u16) -> Option<SocketAddr> {
    let length = usize::try_from(entry.ai_addrlen).ok()?;
    match entry.ai_family {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: by its family and length, the address is a `sockaddr_in`; it may be unaligned.
            let v4 = unsafe { entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, port).into())
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: by its family and length, the address is a `sockaddr_in6`; it may be unaligned.
            let v6 = unsafe { entry.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_address_literals_of_both_families() {
        for text in ["127.0.0.1:80", "[::1]:8443", "[2001:db8::7]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(look_up(&address.ip().to_string(), address.port()).unwrap(), [address], "{text}");
        }
    }

    #[test]
    fn distinguishes_missing_name_from_failed_lookup() {
        assert!(matches!(failure(libc::EAI_NONAME), LookupFailure::NotFound(text) if !text.is_empty()));
        assert!(matches!(failure(libc::EAI_NODATA), LookupFailure::NotFound(_)));
        assert!(matches!(failure(libc::EAI_AGAIN), LookupFailure::Failed(text) if !text.is_empty()));
        assert!(matches!(failure(libc::EAI_FAIL), LookupFailure::Failed(_)));
        assert!(matches!(failure(libc::EAI_MEMORY), LookupFailure::System(error)
            if error.raw_os_error() == Some(libc::ENOMEM)));
    }
}
