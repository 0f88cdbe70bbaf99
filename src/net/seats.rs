//! How many connections each IP address has (`maxclients-per-address`).
//!
//! A connection takes a seat when it is admitted and keeps it for life: the seat is given back when it is dropped,
//! whoever drops it. So the count is exact at every moment, also of connections that no worker has seen yet. Seats are
//! counted without a limit, too, because there may be one later.
//!
//! An IPv4 address that is written as an IPv6 one is the same address. Limits: who has many addresses, as every
//! IPv6 host does, has as many times the seats; `maxclients` bounds all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::base::sync::{Mutex, Rank};
use crate::session::Endpoint;

/// See the module's description.
#[derive(Clone)]
pub(super) struct Seats {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// An address has as many connections as it may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSeat;

/// The right of one connection to be there.
pub struct Seat {
    seats: Seats,
    /// Unix sockets have none.
    address: Option<IpAddr>,
}

impl Default for Seats {
    fn default() -> Seats {
        Seats { taken: Arc::new(Mutex::new(Rank::Leaf, HashMap::new())) }
    }
}

impl Seats {
    /// Takes a seat if the address has fewer than `most`; 0 is no limit.
    pub(super) fn take(&self, peer: &Endpoint, most: usize) -> Result<Seat, NoSeat> {
        let address = match peer {
            Endpoint::Tcp(address) => Some(address.ip().to_canonical()),
            Endpoint::Unix(_) | Endpoint::Internal => None,
        };
        if let Some(address) = address {
            let mut taken = self.taken.lock();
            let count = taken.get(&address).copied().unwrap_or(0);
            if most > 0 && count >= most {
                return Err(NoSeat);
            }
            taken.insert(address, count + 1);
        }
        Ok(Seat { seats: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.seats.taken.lock();
        let count = taken.get_mut(&address).expect("a seat that is taken is counted");
        *count -= 1;
        if *count == 0 {
            taken.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Endpoint {
        Endpoint::Tcp(address.parse().unwrap())
    }

    #[test]
    fn each_address_has_its_own_seats_and_leaves_nothing_behind() {
        let seats = Seats::default();
        let first = seats.take(&tcp("192.0.2.7:1"), 2).unwrap();
        let second = seats.take(&tcp("[::ffff:192.0.2.7]:2"), 2).unwrap();
        assert_eq!(seats.take(&tcp("192.0.2.7:3"), 2).err(), Some(NoSeat));
        let other = seats.take(&tcp("[2001:db8::7]:1"), 2).unwrap();
        drop(first);
        let third = seats.take(&tcp("192.0.2.7:3"), 2).unwrap();
        assert_eq!(seats.take(&tcp("192.0.2.7:4"), 1).err(), Some(NoSeat), "a lower limit");
        let fourth = seats.take(&tcp("192.0.2.7:4"), 0).unwrap();
        drop([second, third, other, fourth]);
        assert!(seats.taken.lock().is_empty());
    }

    #[test]
    fn unix_sockets_need_no_seat() {
        let seats = Seats::default();
        let path = Endpoint::Unix("/tmp/socket".into());
        let taken: Vec<_> = (0..3).map(|_| seats.take(&path, 1).unwrap()).collect();
        assert!(seats.taken.lock().is_empty());
        drop(taken);
    }
}
