//! A slow network for one test: everything for a server goes through here, so
//! many bytes a second and no more; or not at all, as when a cable is pulled.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Shared {
    /// Bytes a second to the server; 0: as fast as it goes.
    rate: AtomicU64,
    is_cut: AtomicBool,
    /// The connections that are open.
    open: Mutex<Vec<TcpStream>>,
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
                if seen.is_cut.load(Ordering::SeqCst) {
                    continue; // dropped: the connection is refused
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let ends = [&client, &server].map(|end| end.try_clone().unwrap());
                seen.open.lock().unwrap().extend(ends);
                let (to, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let slow = seen.clone();
                std::thread::spawn(move || pass(client, server, Some(&slow)));
                std::thread::spawn(move || pass(back, to, None));
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
        self.shared.rate.store(bytes_per_second, Ordering::SeqCst);
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
fn pass(mut from: TcpStream, mut to: TcpStream, slow: Option<&Shared>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let rate = slow.map_or(0, |shared| shared.rate.load(Ordering::SeqCst));
        if let Some(micros) = (read as u64 * 1_000_000).checked_div(rate) {
            std::thread::sleep(Duration::from_micros(micros));
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
