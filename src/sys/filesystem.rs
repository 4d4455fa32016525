//! What the file system of a file can do.

#![allow(unsafe_code)] // std has no fstatfs and no fstatvfs.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

/// Returns true if the file system is mounted read-only.
pub(crate) fn is_read_only(file: &File) -> bool {
    let mut found = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the function writes at most one `statvfs`, and the descriptor stays open while `file` is borrowed.
    let outcome = unsafe { libc::fstatvfs(file.as_raw_fd(), found.as_mut_ptr()) };
    // SAFETY: all bytes of the structure are initialized, and each of its fields is an integer.
    outcome == 0 && unsafe { found.assume_init() }.f_flag & libc::ST_RDONLY != 0
}

/// Returns true if each change of a file changes its ctime, also if the mtime is set back. False if the file system is known or
/// suspected not to store a ctime, and if its type is not available.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn keeps_ctime(file: &File) -> bool {
    let mut found = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the function writes at most one `statfs`, and the descriptor stays open while `file` is borrowed.
    if unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: all bytes of the structure are initialized, and each of its fields is an integer.
    let found = unsafe { found.assume_init() };
    // The type has 32 bits. Some platforms sign-extend it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only the low 32 bits are the type")]
    let kind = found.f_type as u32;
    !may_lack_ctime(kind)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn may_lack_ctime(kind: u32) -> bool {
    WITHOUT_CTIME.iter().any(|(without, _)| *without == kind)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn keeps_ctime(_file: &File) -> bool {
    true
}

/// The types of file systems whose ctime may be a copy of the mtime, from linux/magic.h and the sources of Linux, with their
/// names.
#[cfg(any(target_os = "linux", target_os = "android"))]
const WITHOUT_CTIME: [(u32, &str); 19] = [
    // One time of modification on disk.
    (0x4d44, "vfat, msdos"),
    (0x2011_bab0, "exfat"),
    (0x4244, "hfs"),
    (0xadff, "affs"),
    (0xadf5, "adfs"),
    (0xc299_3d87, "omfs"),
    (0x137f, "minix"),
    (0x138f, "minix with names of 30 bytes"),
    (0x2468, "minix 2"),
    (0x2478, "minix 2 with names of 30 bytes"),
    (0x4d5a, "minix 3"),
    // The protocol has only one time of modification.
    (0x6b41_4653, "afs"),
    (0x5346_414f, "openafs"),
    // 9P2000 has no ctime; 9P2000.L has one.
    (0x0102_1997, "9p"),
    // The server or the program decides. sshfs, and a Samba server on vfat, return the mtime.
    (0x6573_5546, "fuse, virtiofs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x517b, "smbfs"),
    (0x786f_4256, "vboxsf"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writable_file_is_not_on_read_only_file_system() {
        assert!(!is_read_only(&tempfile::tempfile().unwrap()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn ctime_is_kept_by_disk_and_nfs_file_systems_and_not_by_fat_fuse_and_smb() {
        for (kind, name) in [
            (0x4d44_u32, "vfat"),
            (0x2011_bab0, "exfat"),
            (0x6573_5546, "fuse"),
            (0xff53_4d42, "cifs"),
            (0x517b, "smbfs"),
            (0x0102_1997, "9p"),
            (0x137f, "minix"),
            (0xadff, "affs"),
        ] {
            assert!(may_lack_ctime(kind), "{name}");
        }
        for (kind, name) in [
            (0xef53_u32, "ext4"),
            (0x5846_5342, "xfs"),
            (0x9123_683e, "btrfs"),
            (0x0102_1994, "tmpfs"),
            (0x6969, "nfs"),
            (0x794c_7630, "overlay"),
            (0x9660, "isofs"),
            (0x7371_7368, "squashfs"),
        ] {
            assert!(!may_lack_ctime(kind), "{name}");
        }
        assert!(keeps_ctime(&File::open("/proc/version").unwrap()));
    }
}
