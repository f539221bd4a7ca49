//! Which sockets of a group (`SO_REUSEPORT`) new connections go to: the kernel asks a program of ours for each.
//!
//! *Limits*: one group is one address. Sockets are counted in the order in which they were bound; a number that no socket has
//! makes the kernel choose among all of them.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc::{self, sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};

/// Deals new connections out by chance among the `first` sockets of the group that this one is in, from the next on.
///
/// # Errors
/// When the socket is in no group; a system that forbids such programs. Connections go where they went before.
pub(crate) fn steer(socket: &impl AsFd, first: u32) -> Result<(), Errno> {
    let mut program = program(first);
    let length = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    setsockopt(
        socket,
        AttachReusePortCbpf,
        &sock_fprog { len: length, filter: program.as_mut_ptr() },
    )
}

/// Classic BPF: a number by chance, modulo `first`, is the number of the socket.
fn program(first: u32) -> Vec<sock_filter> {
    let one = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    vec![
        one(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, RANDOM),
        one(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, first.max(1)),
        one(libc::BPF_RET | libc::BPF_A, 0),
    ]
}

/// The place of a packet where the kernel gives a number by chance instead.
const RANDOM: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_RANDOM) as u32;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::Listen;
    use crate::net::{Sockets, bind};

    /// Sockets of one address, and how many connections each has got of 64.
    fn dealt(sockets: &[TcpListener]) -> Vec<usize> {
        let address = sockets[0].local_addr().unwrap();
        let clients: Vec<_> = (0..64).map(|_| TcpStream::connect(address).unwrap()).collect();
        let count = |socket: &TcpListener| (0..).take_while(|_| socket.accept().is_ok()).count();
        let dealt: Vec<_> = sockets.iter().map(count).collect();
        assert_eq!(dealt.iter().sum::<usize>(), clients.len());
        dealt
    }

    #[test]
    fn connections_go_to_the_first_sockets_of_a_group() {
        let listen = Listen::Tcp { address: "127.0.0.1:0".parse().unwrap(), v6only: false };
        let Sockets::Tcp(_, sockets) = bind(&listen, 4, &[]).unwrap() else { unreachable!() };

        // That one of those meant gets none of 64 happens once in 50 million times.
        for (first, expected) in [
            (1, [true, false, false, false]),
            (2, [true, true, false, false]),
            (4, [true, true, true, true]),
            (1, [true, false, false, false]),
            (u32::MAX, [true, true, true, true]),
            (1, [true, false, false, false]),
        ] {
            steer(&sockets[3], first).unwrap();
            let dealt = dealt(&sockets);
            assert_eq!(
                dealt.iter().map(|got| *got > 0).collect::<Vec<_>>(),
                expected,
                "among {first}: {dealt:?}"
            );
        }
    }

    #[test]
    fn a_socket_of_no_group_is_refused() {
        let alone = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(steer(&alone, 1), Err(Errno::EINVAL));
    }
}
