//! A slow network for one test: everything for a server goes through here, so
//! many bytes a second and no more; or not at all, as when a cable is pulled.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Shared {
    /// Each way, to the server and back: bytes a second for all connections together, 0: as fast
    /// as it goes.
    ways: [Way; 2],
    /// Bytes that came back from the server, by connection.
    back: Mutex<Vec<Arc<AtomicU64>>>,
    is_cut: AtomicBool,
    /// Further connections are refused; 0: any number.
    most: AtomicUsize,
    /// The connections that are open.
    open: Mutex<Vec<TcpStream>>,
}

#[derive(Default)]
struct Way {
    rate: AtomicU64,
    /// Until when the wire is busy.
    busy_until: Mutex<Option<Instant>>,
}

impl Way {
    /// Waits until the wire has carried so many bytes.
    fn carry(&self, bytes: usize) {
        let rate = self.rate.load(Ordering::SeqCst);
        let Some(nanos) = (bytes as u64 * 1_000_000_000).checked_div(rate) else { return };
        let until = {
            let mut busy = self.busy_until.lock().unwrap();
            let now = Instant::now();
            let from = busy.map_or(now, |until| until.max(now));
            *busy.insert(from + Duration::from_nanos(nanos))
        };
        // Shorter sleeps take longer than they should; what is ahead now is made up for later.
        let left = until.saturating_duration_since(Instant::now());
        if left > Duration::from_millis(2) {
            std::thread::sleep(left);
        }
    }
}

/// A port that leads to another one.
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

impl Relay {
    /// Leads to `server`, a port of 127.0.0.1. Its threads end with the process.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let seen = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let most = seen.most.load(Ordering::SeqCst);
                let is_full = most > 0 && seen.back.lock().unwrap().len() >= most;
                if is_full || seen.is_cut.load(Ordering::SeqCst) {
                    continue; // dropped: the connection is refused
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let ends = [&client, &server].map(|end| end.try_clone().unwrap());
                seen.open.lock().unwrap().extend(ends);
                let (to, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let count = Arc::new(AtomicU64::new(0));
                seen.back.lock().unwrap().push(count.clone());
                let (there, here) = (seen.clone(), seen.clone());
                std::thread::spawn(move || pass(client, server, |n| there.ways[0].carry(n)));
                std::thread::spawn(move || {
                    pass(back, to, |n| {
                        here.ways[1].carry(n);
                        count.fetch_add(n as u64, Ordering::SeqCst);
                    });
                });
            }
        });
        Self { port, shared }
    }

    /// The port to connect to, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on so many bytes a second go to the server; 0: no bound.
    pub fn slow_down(&self, bytes_per_second: u64) {
        self.shared.ways[0].rate.store(bytes_per_second, Ordering::SeqCst);
    }

    /// The same, and as many from the server.
    pub fn slow_down_both_ways(&self, bytes_per_second: u64) {
        for way in &self.shared.ways {
            way.rate.store(bytes_per_second, Ordering::SeqCst);
        }
    }

    /// Lets so many connections through, counted from the start, and no others.
    pub fn close_to_others(&self, most: usize) {
        self.shared.most.store(most, Ordering::SeqCst);
    }

    /// Bytes that came from the server so far, by connection.
    pub fn came_back(&self) -> Vec<u64> {
        let counts = self.shared.back.lock().unwrap();
        counts.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }

    /// Pulls the cable, or puts it back.
    pub fn cut(&self, is_cut: bool) {
        self.shared.is_cut.store(is_cut, Ordering::SeqCst);
        if is_cut {
            for end in self.shared.open.lock().unwrap().drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }
}

/// Passes bytes on until an end is gone.
fn pass(mut from: TcpStream, mut to: TcpStream, carry: impl Fn(usize)) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        carry(read);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
