//! Work on several threads, results in the order of the items.
//!
//! Fed by `sizes` and `fetch` with items that wait for child processes; what is printed
//! and written does not depend on which of them is done first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Runs `work` over `items` on `workers` threads, those of the largest `weight` first, and
/// hands the results to `take` in the order of the items. So no worker sits idle at the end
/// while another has only begun with what takes longest. Plain threads, since all they do
/// is wait for child processes.
pub fn in_order<T: Sync, R: Send>(
    workers: usize,
    items: &[T],
    weight: impl Fn(&T) -> u64,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(R),
) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| items.get(i).map(|item| Reverse(weight(item))));
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next, order, work) = (sender.clone(), &next, &order, &work);
            scope.spawn(move || {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&i) = order.get(nth) else { break };
                    let Some(item) = items.get(i) else { break };
                    if sender.send((i, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = HashMap::new();
        let mut due = 0;
        for (i, result) in receiver {
            waiting.insert(i, result);
            while let Some(result) = waiting.remove(&due) {
                take(result);
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..40).collect();
        let mut taken = Vec::new();
        let slow_start = |&i: &u64| {
            thread::sleep(std::time::Duration::from_millis(if i < 3 { 20 } else { 0 }));
            i * i
        };
        in_order(4, &items, |_| 0, slow_start, |square| taken.push(square));
        assert_eq!(taken, items.iter().map(|i| i * i).collect::<Vec<u64>>());
    }

    #[test]
    fn the_largest_are_begun_first() {
        let begun = Mutex::new(Vec::new());
        let work = |&i: &u64| begun.lock().unwrap().push(i);
        in_order(1, &[3, 1, 4, 1, 5], |&i| i, work, |()| ());
        assert_eq!(*begun.lock().unwrap(), [5, 4, 3, 1, 1]);
    }
}
