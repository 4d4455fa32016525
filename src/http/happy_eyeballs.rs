//! Which address of a host is connected to, and when (RFC 8305, "Happy Eyeballs Version 2"). Pure: time is an argument.
//!
//! Attempts start 250 ms apart, or at once when another attempt fails, with IPv6 and IPv4 alternating. An attempt that has
//! started is never given up before the connect timeout. The address that worked last is the first of the next connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// The time from the start of one attempt to the start of the next (RFC 8305 §5, "Connection Attempt Delay").
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What earlier connections of the same client found out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressMemory {
    /// The address of the last connection that was opened completely.
    good: Option<SocketAddr>,
    /// The address that last accepted a connection and then failed in the TLS handshake.
    bad: Option<SocketAddr>,
}

impl AddressMemory {
    /// A connection to `address` was opened completely.
    pub(crate) fn opened(&mut self, address: SocketAddr) {
        self.good = Some(address);
        if self.bad == Some(address) {
            self.bad = None;
        }
    }

    /// `address` accepted a connection, and the TLS handshake on it was lost or did not end in time.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        self.bad = Some(address);
        if self.good == Some(address) {
            self.good = None;
        }
    }

    /// The addresses of a lookup in the order in which they are tried, each once: the last good one, then alternately one of
    /// each family, within a family as the resolver sorted them, and the one that failed last at the end.
    pub(crate) fn order(&self, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut rest: Vec<SocketAddr> = Vec::with_capacity(found.len());
        for address in found {
            if !rest.contains(address) {
                rest.push(*address);
            }
        }
        let mut ordered: Vec<SocketAddr> = take(&mut rest, self.good).into_iter().collect();
        let last = take(&mut rest, self.bad);
        let v6_first = ordered.first().map_or_else(
            || rest.first().is_some_and(SocketAddr::is_ipv6),
            // The good one was the turn of its family.
            |good| good.is_ipv4(),
        );
        let (mut own, mut other) =
            rest.into_iter().partition::<VecDeque<_>, _>(|address| address.is_ipv6() == v6_first);
        while let Some(address) = own.pop_front().or_else(|| other.pop_front()) {
            ordered.push(address);
            std::mem::swap(&mut own, &mut other);
        }
        ordered.extend(last);
        ordered
    }
}

/// Removes an address from a list if it is in there.
fn take(list: &mut Vec<SocketAddr>, address: Option<SocketAddr>) -> Option<SocketAddr> {
    let index = list.iter().position(|have| Some(*have) == address)?;
    Some(list.remove(index))
}

/// The attempts that have not started yet. Times are measured from the start of connecting.
#[derive(Debug)]
pub(crate) struct Schedule {
    waiting: VecDeque<SocketAddr>,
    /// When the next attempt starts.
    due: Duration,
}

impl Schedule {
    /// Attempts to these addresses in this order; the first is due at once.
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { waiting: addresses.into(), due: Duration::ZERO }
    }

    /// The address of the attempt to start at `now`, if one is due. The next is due [`ATTEMPT_DELAY`] later.
    pub(crate) fn start(&mut self, now: Duration) -> Option<SocketAddr> {
        if now < self.due {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.due = now + ATTEMPT_DELAY;
        Some(address)
    }

    /// How long until the next attempt is due; `None` if there is none left.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        (!self.waiting.is_empty()).then(|| self.due.saturating_sub(now))
    }

    /// An attempt failed: the next one need not wait.
    pub(crate) fn attempt_failed(&mut self) {
        self.due = Duration::ZERO;
    }

    /// Returns an attempt that could not start for lack of descriptors. It is due when another attempt fails, which frees one.
    pub(crate) fn put_off(&mut self, address: SocketAddr) {
        self.waiting.push_front(address);
        self.due = Duration::MAX;
    }

    /// Returns an attempt that was given up because another address had accepted a connection.
    pub(crate) fn give_back(&mut self, address: SocketAddr) {
        self.waiting.push_back(address);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Connects on a virtual clock to addresses that accept after some time, refuse after some time, or never respond.
    /// Returns the address, the time, and the times at which attempts started.
    fn connect(
        order: Vec<SocketAddr>,
        hosts: &HashMap<SocketAddr, Host>,
        timeout: Duration,
    ) -> (Option<(SocketAddr, Duration)>, Vec<Duration>) {
        let mut schedule = Schedule::new(order);
        let (mut now, mut starts, mut events) = (Duration::ZERO, Vec::new(), Vec::new());
        loop {
            while let Some(address) = schedule.start(now) {
                starts.push(now);
                match hosts.get(&address) {
                    Some(Host::Accepts(after)) => events.push((now + *after, address, true)),
                    Some(Host::Refuses(after)) => events.push((now + *after, address, false)),
                    None => {}
                }
            }
            events.sort();
            let next_event = events.first().map(|event| event.0);
            let next_start = schedule.wait(now).map(|wait| now.saturating_add(wait));
            now = [next_event, next_start].into_iter().flatten().min().unwrap_or(timeout);
            if now >= timeout {
                return (None, starts);
            }
            if next_event == Some(now) {
                let (_, address, accepted) = events.remove(0);
                if accepted {
                    return (Some((address, now)), starts);
                }
                schedule.attempt_failed();
            }
        }
    }

    enum Host {
        Accepts(Duration),
        Refuses(Duration),
    }

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 443))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, last], 443))
    }

    fn order(found: &[SocketAddr]) -> Vec<SocketAddr> {
        AddressMemory::default().order(found)
    }

    #[test]
    fn interleaves_families_beginning_with_the_preferred_one() {
        assert_eq!(order(&[v6(1), v6(2), v6(3), v4(1)]), [v6(1), v4(1), v6(2), v6(3)]);
        assert_eq!(order(&[v4(1), v4(2), v6(1), v6(2)]), [v4(1), v6(1), v4(2), v6(2)]);
        assert_eq!(order(&[v4(2), v4(1)]), [v4(2), v4(1)]);
        assert_eq!(order(&[v4(1), v4(1), v6(1), v4(1)]), [v4(1), v6(1)], "each once");
        assert_eq!(order(&[]), []);
    }

    #[test]
    fn tries_the_last_good_address_first_and_the_last_bad_one_last() {
        let found = [v6(1), v6(2), v4(1), v4(2)];
        let mut memory = AddressMemory::default();
        memory.opened(v4(2));
        assert_eq!(memory.order(&found), [v4(2), v6(1), v4(1), v6(2)]);
        memory.failed(v6(1));
        assert_eq!(memory.order(&found), [v4(2), v6(2), v4(1), v6(1)]);
        memory.failed(v4(2));
        assert_eq!(memory.order(&found), [v6(1), v4(1), v6(2), v4(2)]);
        memory.opened(v4(2));
        assert_eq!(memory.order(&found), [v4(2), v6(1), v4(1), v6(2)]);
        // The name server decides which addresses there are.
        assert_eq!(memory.order(&[v6(1)]), [v6(1)]);
    }

    #[test]
    fn an_address_that_responds_at_once_is_the_only_one_tried() {
        let hosts = [(v4(1), Host::Accepts(ms(249)))].into();
        assert_eq!(connect(vec![v4(1), v4(2)], &hosts, TIMEOUT), (Some((v4(1), ms(249))), vec![ms(0)]));
    }

    #[test]
    fn starts_attempts_250_ms_apart_and_drops_none() {
        // 16 addresses at a round trip of 700 ms, 8 at 1.5 s, and all of them at just below the connect timeout.
        for (count, round_trip) in [(16, 700), (8, 1500), (32, 9999)] {
            let addresses: Vec<_> = (1..=count).map(v4).collect();
            let hosts = addresses.iter().map(|address| (*address, Host::Accepts(ms(round_trip)))).collect();
            let (connected, starts) = connect(addresses, &hosts, TIMEOUT);
            assert_eq!(connected, Some((v4(1), ms(round_trip))));
            let due: Vec<_> =
                (0..u64::from(count)).map(|n| ms(250 * n)).take_while(|at| *at < ms(round_trip)).collect();
            assert_eq!(starts, due);
        }
    }

    #[test]
    fn an_address_that_never_responds_costs_250_ms() {
        let hosts = [(v4(3), Host::Accepts(ms(20)))].into();
        assert_eq!(connect(vec![v4(1), v4(2), v4(3)], &hosts, TIMEOUT).0, Some((v4(3), ms(520))));
    }

    #[test]
    fn a_refusal_starts_the_next_attempt_at_once() {
        let hosts =
            [(v4(1), Host::Refuses(ms(5))), (v4(2), Host::Refuses(ms(5))), (v4(3), Host::Accepts(ms(5)))].into();
        let (connected, starts) = connect(vec![v4(1), v4(2), v4(3)], &hosts, TIMEOUT);
        assert_eq!((connected, starts), (Some((v4(3), ms(15))), vec![ms(0), ms(5), ms(10)]));
    }

    #[test]
    fn a_slow_address_still_wins_after_all_others_were_refused() {
        let mut hosts: HashMap<_, _> = (2..=5).map(|n| (v4(n), Host::Refuses(ms(0)))).collect();
        hosts.insert(v4(1), Host::Accepts(ms(9000)));
        assert_eq!(connect((1..=5).map(v4).collect(), &hosts, TIMEOUT).0, Some((v4(1), ms(9000))));
    }

    #[test]
    fn an_attempt_without_a_descriptor_starts_when_another_fails() {
        let mut schedule = Schedule::new(vec![v4(1), v4(2)]);
        assert_eq!(schedule.start(ms(0)), Some(v4(1)));
        assert_eq!(schedule.start(ms(250)), Some(v4(2)));
        schedule.put_off(v4(2));
        assert_eq!(schedule.start(ms(5000)), None);
        schedule.attempt_failed();
        assert_eq!(schedule.start(ms(5000)), Some(v4(2)));
    }
}
