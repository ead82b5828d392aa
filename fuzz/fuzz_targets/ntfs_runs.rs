//! Any bytes as a run list that goes on at some cluster: the runs follow each
//! other without a gap, and every cluster of them is found again.

use lifeboat::ntfs::ondisk::runs::RunList;

pub(crate) fn run(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let mut runs = RunList::default();
    for piece in bytes.split(|byte| *byte == 0xEE) {
        let _ = runs.push_piece(runs.clusters() + u64::from(*first % 3), piece, 0);
        if runs.clusters() > u64::MAX / 2 {
            break;
        }
    }
    let mut end = 0;
    for (i, (start, clusters, _)) in runs.iter().enumerate() {
        assert!(start == end && clusters > 0);
        end = start + clusters;
        assert_eq!(runs.find(start), Some(i));
        assert_eq!(runs.find(end - 1), Some(i));
    }
    assert_eq!(end, runs.clusters());
    assert_eq!(runs.find(end), None);
}
