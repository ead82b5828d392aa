//! What is written to a share is read back while the rest is written.
#![cfg(all(feature = "smb", target_os = "linux"))]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::made::noise;
use support::need;
use support::ntfs3g::Image;
use support::program::{Run, lifeboat_with};
use support::relay::Relay;
use support::smbd::Smbd;

const MIB: u64 = 1 << 20;

/// A volume with so many MiB that do not compress.
fn volume(mib: u64) -> Image {
    let image = Image::make((mib + 32) * MIB, &[]);
    image.fill("rw", |root| {
        for i in 0..mib {
            fs::write(root.join(format!("{i:04}")), noise(i, 1 << 20)).unwrap();
        }
    });
    image
}

fn offload(image: &Image, server: &Smbd, network: &Relay, more: &[&str]) -> Run {
    let url = server.url("sets").replace(&server.port().to_string(), &network.port().to_string());
    let image = image.path();
    // Small frames: what is on the server is said after each 32 of them.
    let args = ["offload", image.to_str().unwrap(), "--path", "\\", "--to", &url];
    let frames = ["--level", "1", "--frame-bytes", "65536"];
    let env = [("LIFEBOAT_PASSWORD", server.password())];
    lifeboat_with(&[&args[..], &frames, more].concat(), &env)
}

fn set(server: &Smbd) -> PathBuf {
    let sets = fs::read_dir(server.share_path().join("sets")).unwrap();
    sets.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap()
}

fn rescue(server: &Smbd) -> Value {
    serde_json::from_slice(&fs::read(set(server).join("rescue.json")).unwrap()).unwrap()
}

/// The bytes of the store's own file.
fn store_bytes(rescue: &Value) -> u64 {
    let files = rescue["files"].as_array().unwrap().iter();
    files.map(|file| file["size"].as_u64().unwrap()).max().unwrap()
}

#[test]
fn a_share_is_read_back_by_a_second_connection_and_only_once() {
    need!("fuse");
    let server = need!(Smbd::start());
    let image = volume(48);
    let network = Relay::to(server.port());
    network.slow_down_both_ways(40 * MIB);
    offload(&image, &server, &network, &[]).expect(0);
    let rescue = rescue(&server);
    let size = store_bytes(&rescue);
    let beside = rescue["timings"]["beside_bytes"].as_u64().unwrap();
    assert!(beside > size / 2, "{beside} of {size}");
    let came = network.came_back();
    let second = came.iter().skip(1).copied().max().unwrap();
    assert!(second >= beside, "{came:?}");
    // The preflight reads, too.
    assert!(came.iter().sum::<u64>() < size + size / 4 + 24 * MIB, "{came:?} of {size}");
}

#[test]
fn without_the_second_connection_everything_is_read_at_the_end() {
    need!("fuse");
    let server = need!(Smbd::start());
    let image = volume(16);
    let network = Relay::to(server.port());
    // From now on, no further connection gets through.
    network.close_to_others(1);
    offload(&image, &server, &network, &[]).expect(0);
    let rescue = rescue(&server);
    assert!(rescue["timings"]["beside_bytes"].is_null(), "{}", rescue["timings"]);
    assert!(network.came_back()[0] > store_bytes(&rescue));
}
