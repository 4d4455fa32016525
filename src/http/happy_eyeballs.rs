//! The order and times of connection attempts to the addresses of a host (RFC 8305, "Happy Eyeballs Version 2"). The module is
//! pure: the time is an argument.
//!
//! Attempts start 250 ms apart, or at once when another attempt fails, with IPv6 and IPv4 alternating. A started attempt
//! continues until the connect timeout. The next connection first tries the address that worked last, and after a timeout
//! those that were not tried yet.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// The time from the start of one attempt to the start of the next (RFC 8305 §5, "Connection Attempt Delay").
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The maximum number of failed addresses that are remembered. If a host had more, the first of them would be tried again
/// before the last.
const FAILED_MAX: usize = 256;

/// The results of earlier connections of the same client.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressMemory {
    /// The address of the last connection that was opened completely.
    last_good: Option<SocketAddr>,
    /// The addresses that failed after they accepted a connection, or before a timeout, in the order of their last failures.
    failed: Vec<SocketAddr>,
}

impl AddressMemory {
    /// Records that a connection to `address` was opened completely.
    pub(crate) fn opened(&mut self, address: SocketAddr) {
        self.last_good = Some(address);
        self.failed.retain(|failed| *failed != address);
    }

    /// Records that a connection was not opened within its timeout, after attempts to these addresses in this order. If they
    /// kept their places, they could use up the timeout of each connection, and no other address would be tried.
    pub(crate) fn timed_out(&mut self, tried: &[SocketAddr]) {
        for address in tried {
            self.failed(*address);
        }
    }

    /// Records that `address` did not respond before a timeout, or accepted a connection that failed before it carried a
    /// response, such as in the TLS handshake.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        if self.last_good == Some(address) {
            self.last_good = None;
        }
        self.failed.retain(|failed| *failed != address);
        if self.failed.len() == FAILED_MAX {
            self.failed.remove(0);
        }
        self.failed.push(address);
    }

    /// Returns the addresses of a lookup in the order of the attempts, each once: the last good one, then both families
    /// alternately, each in the order of the resolver, and at the end the failed ones, in the order of their failures.
    pub(crate) fn order(&self, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut rest: Vec<SocketAddr> = Vec::with_capacity(found.len());
        for address in found {
            if !rest.contains(address) {
                rest.push(*address);
            }
        }
        let mut ordered: Vec<SocketAddr> = take(&mut rest, self.last_good).into_iter().collect();
        let failed: Vec<_> = self.failed.iter().filter_map(|address| take(&mut rest, Some(*address))).collect();
        let v6_first = ordered.first().map_or_else(
            || rest.first().is_some_and(SocketAddr::is_ipv6),
            // The last good address counts as the first of its family.
            |good| good.is_ipv4(),
        );
        let (mut own, mut other) =
            rest.into_iter().partition::<VecDeque<_>, _>(|address| address.is_ipv6() == v6_first);
        while let Some(address) = own.pop_front().or_else(|| other.pop_front()) {
            ordered.push(address);
            std::mem::swap(&mut own, &mut other);
        }
        ordered.extend(failed);
        ordered
    }
}

/// Removes an address from a list. Returns `None` if the list does not contain it.
fn take(list: &mut Vec<SocketAddr>, address: Option<SocketAddr>) -> Option<SocketAddr> {
    let index = list.iter().position(|have| Some(*have) == address)?;
    Some(list.remove(index))
}

/// The attempts that have not started yet. Times are measured from the start of connecting.
#[derive(Debug)]
pub(crate) struct Schedule {
    waiting: VecDeque<SocketAddr>,
    /// The start time of the next attempt.
    due: Duration,
}

impl Schedule {
    /// Schedules attempts to these addresses in this order. The first is due at once.
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { waiting: addresses.into(), due: Duration::ZERO }
    }

    /// Returns the address of the attempt to start at `now`, if one is due. The next one is due [`ATTEMPT_DELAY`] later.
    pub(crate) fn start(&mut self, now: Duration) -> Option<SocketAddr> {
        if now < self.due {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.due = now + ATTEMPT_DELAY;
        Some(address)
    }

    /// Returns the time until the next attempt is due, or `None` if no attempt is left.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        (!self.waiting.is_empty()).then(|| self.due.saturating_sub(now))
    }

    /// Records a failed attempt: the next one is due at once.
    pub(crate) fn attempt_failed(&mut self) {
        self.due = Duration::ZERO;
    }

    /// Defers an attempt that could not start for lack of descriptors. It is due when another attempt fails and frees one.
    pub(crate) fn defer(&mut self, address: SocketAddr) {
        self.waiting.push_front(address);
        self.due = Duration::MAX;
    }

    /// Requeues an attempt that was dropped because another address accepted a connection.
    pub(crate) fn requeue(&mut self, address: SocketAddr) {
        self.waiting.push_back(address);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Connects on a virtual clock to addresses that accept or refuse after some time, or never respond. Returns the address
    /// and the time of the connection, and the start times of the attempts.
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
    fn alternates_families_starting_with_the_preferred_one() {
        assert_eq!(order(&[v6(1), v6(2), v6(3), v4(1)]), [v6(1), v4(1), v6(2), v6(3)]);
        assert_eq!(order(&[v4(1), v4(2), v6(1), v6(2)]), [v4(1), v6(1), v4(2), v6(2)]);
        assert_eq!(order(&[v4(2), v4(1)]), [v4(2), v4(1)]);
        assert_eq!(order(&[v4(1), v4(1), v6(1), v4(1)]), [v4(1), v6(1)], "each once");
        assert_eq!(order(&[]), []);
    }

    #[test]
    fn tries_the_last_good_address_first_and_failed_ones_last() {
        let found = [v6(1), v6(2), v4(1), v4(2)];
        let mut memory = AddressMemory::default();
        memory.opened(v4(2));
        assert_eq!(memory.order(&found), [v4(2), v6(1), v4(1), v6(2)]);
        memory.failed(v6(1));
        assert_eq!(memory.order(&found), [v4(2), v6(2), v4(1), v6(1)]);
        memory.failed(v4(2));
        assert_eq!(memory.order(&found), [v6(2), v4(1), v6(1), v4(2)]);
        memory.failed(v6(1));
        assert_eq!(memory.order(&found), [v6(2), v4(1), v4(2), v6(1)], "the one that failed last comes last");
        memory.opened(v4(2));
        memory.opened(v6(1));
        assert_eq!(memory.order(&found), [v6(1), v4(1), v6(2), v4(2)]);
        // Only addresses of the lookup are used.
        assert_eq!(memory.order(&[v6(1)]), [v6(1)]);
    }

    /// Opens connections one after another, and remembers their results, until one is accepted. Returns their number.
    fn connections_until_accepted(
        memory: &mut AddressMemory,
        found: &[SocketAddr],
        hosts: &HashMap<SocketAddr, Host>,
        timeout: Duration,
    ) -> usize {
        for number in 1..=found.len() {
            let order = memory.order(found);
            let (connected, starts) = connect(order.clone(), hosts, timeout);
            if let Some((address, _)) = connected {
                memory.opened(address);
                return number;
            }
            memory.timed_out(order.get(..starts.len()).unwrap());
        }
        panic!("the working address was never tried");
    }

    #[test]
    fn tries_other_addresses_after_a_timeout() {
        let hosts = [(v4(9), Host::Accepts(ms(20)))].into();
        let found: Vec<_> = (1..=9).map(v4).collect();
        // A timeout leaves time for one, two and four attempts.
        for (timeout, count) in [(250, 9), (500, 5), (1000, 3)] {
            let mut memory = AddressMemory::default();
            assert_eq!(connections_until_accepted(&mut memory, &found, &hosts, ms(timeout)), count);
            assert_eq!(connections_until_accepted(&mut memory, &found, &hosts, ms(timeout)), 1);
        }
    }

    /// A refusal that arrives late uses up the timeout like silence.
    #[test]
    fn tries_other_addresses_after_slow_refusals() {
        let mut hosts: HashMap<_, _> = (1..=5).map(|n| (v4(n), Host::Refuses(ms(200)))).collect();
        hosts.insert(v4(6), Host::Accepts(ms(20)));
        let found: Vec<_> = (1..=6).map(v4).collect();
        assert_eq!(connections_until_accepted(&mut AddressMemory::default(), &found, &hosts, ms(500)), 2);
    }

    #[test]
    fn tries_other_addresses_if_the_last_good_one_times_out() {
        let mut memory = AddressMemory::default();
        memory.opened(v4(3));
        let hosts = [(v4(1), Host::Accepts(ms(20)))].into();
        let found: Vec<_> = (1..=3).map(v4).collect();
        assert_eq!(connections_until_accepted(&mut memory, &found, &hosts, ms(250)), 2);
        assert_eq!(memory.order(&found), [v4(1), v4(2), v4(3)]);
    }

    #[test]
    fn all_addresses_take_turns_while_none_responds() {
        let mut memory = AddressMemory::default();
        let found: Vec<_> = (1..=5).map(v4).collect();
        let mut tried = Vec::new();
        for _ in 0..5 {
            let order = memory.order(&found);
            memory.timed_out(&order[..2]);
            tried.extend_from_slice(&order[..2]);
        }
        assert_eq!(tried, [&found[..], &found[..]].concat());
        // The order of the preference remains if all are tried in each connection.
        memory.timed_out(&found);
        assert_eq!(memory.order(&found), found);
    }

    #[test]
    fn reaches_each_address_while_the_others_fail() {
        let found: Vec<_> = (1..=u16::try_from(FAILED_MAX).unwrap() + 1).map(v6).collect();
        let mut memory = AddressMemory::default();
        for address in &found {
            assert_eq!(memory.order(&found).first(), Some(address));
            memory.opened(*address);
            memory.failed(*address);
        }
        assert_eq!(memory.failed.len(), FAILED_MAX);
    }

    #[test]
    fn tries_one_address_if_it_responds_at_once() {
        let hosts = [(v4(1), Host::Accepts(ms(249)))].into();
        assert_eq!(connect(vec![v4(1), v4(2)], &hosts, TIMEOUT), (Some((v4(1), ms(249))), vec![ms(0)]));
    }

    #[test]
    fn starts_attempts_250_ms_apart_and_keeps_all() {
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
    fn silent_address_costs_250_ms() {
        let hosts = [(v4(3), Host::Accepts(ms(20)))].into();
        assert_eq!(connect(vec![v4(1), v4(2), v4(3)], &hosts, TIMEOUT).0, Some((v4(3), ms(520))));
    }

    #[test]
    fn refused_attempt_starts_the_next_one_at_once() {
        let hosts =
            [(v4(1), Host::Refuses(ms(5))), (v4(2), Host::Refuses(ms(5))), (v4(3), Host::Accepts(ms(5)))].into();
        let (connected, starts) = connect(vec![v4(1), v4(2), v4(3)], &hosts, TIMEOUT);
        assert_eq!((connected, starts), (Some((v4(3), ms(15))), vec![ms(0), ms(5), ms(10)]));
    }

    #[test]
    fn uses_a_slow_address_after_all_others_refused() {
        let mut hosts: HashMap<_, _> = (2..=5).map(|n| (v4(n), Host::Refuses(ms(0)))).collect();
        hosts.insert(v4(1), Host::Accepts(ms(9000)));
        assert_eq!(connect((1..=5).map(v4).collect(), &hosts, TIMEOUT).0, Some((v4(1), ms(9000))));
    }

    #[test]
    fn deferred_attempt_starts_when_another_one_fails() {
        let mut schedule = Schedule::new(vec![v4(1), v4(2)]);
        assert_eq!(schedule.start(ms(0)), Some(v4(1)));
        assert_eq!(schedule.start(ms(250)), Some(v4(2)));
        schedule.defer(v4(2));
        assert_eq!(schedule.start(ms(5000)), None);
        schedule.attempt_failed();
        assert_eq!(schedule.start(ms(5000)), Some(v4(2)));
    }
}
