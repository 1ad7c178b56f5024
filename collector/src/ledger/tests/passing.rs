//! A store that cannot be read for a while: nobody takes that for damage, and nothing is left out.

use super::*;
use crate::ledger::Failing;
use std::sync::atomic::Ordering;

#[test]
fn what_cannot_be_read_for_a_while_is_an_error_and_then_all_there() {
    let store = Arc::new(Failing::default());
    let shared: SharedStore = store.clone();
    let (mut ledger, mut number) = (open(&shared, 5), 0);
    commit(&mut ledger, made(&(0..20).collect::<Vec<_>>(), &mut number));
    let shelf = ledger.shelf();
    let mut reader = Tail::new(Arc::clone(&shelf), &shelf.catalog(), 0);
    store.rows.store(true, Ordering::SeqCst);
    assert!(reader.next().is_err() && reader.next().is_err());
    let (kept, wanted) = (shelf.catalog(), Wanted::default());
    let query = Query { shelf, before: kept.next, kept, wanted, last: None, after: None };
    assert!(query.run(|made| panic!("{made:?}")).is_err());
    store.rows.store(false, Ordering::SeqCst);
    let steps = std::iter::from_fn(|| reader.next().unwrap());
    assert_eq!(steps.filter(|step| matches!(step, Step::Made(_))).count(), 20);
    assert_eq!(ledger.metrics.damaged.get(), 0);
}
