//! Transactions over batches of messages: `--transaction N`.

use deuteron::{Connection, Transaction};

use crate::args::TransactionArgs;
use crate::failure::Failure;

/// What is done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discharge {
    Commit,
    RollBack,
}

/// Transactions, one after the other, each over so many messages.
#[derive(Debug)]
pub(crate) struct Batches {
    connection: Connection,
    size: u64,
    discharge: Discharge,
    open: Option<Transaction>,
    /// Messages in the open one.
    filled: u64,
    pub(crate) committed: u64,
    pub(crate) rolled_back: u64,
}

impl Batches {
    /// `None` if there shall be no transactions.
    pub(crate) fn new(args: &TransactionArgs, connection: &Connection) -> Option<Self> {
        let discharge = if args.rollback { Discharge::RollBack } else { Discharge::Commit };
        let connection = connection.clone();
        args.transaction.map(|size| Self {
            connection,
            size,
            discharge,
            open: None,
            filled: 0,
            committed: 0,
            rolled_back: 0,
        })
    }

    /// The open transaction, declared if there is none.
    pub(crate) async fn begun(&mut self) -> Result<&Transaction, Failure> {
        let transaction = match self.open.take() {
            Some(transaction) => transaction,
            None => self.connection.begin_transaction().await?,
        };
        Ok(self.open.insert(transaction))
    }

    /// The open transaction, if there is one.
    pub(crate) fn open(&self) -> Option<&Transaction> {
        self.open.as_ref()
    }

    /// One more message belongs to the open transaction.
    pub(crate) fn add(&mut self) {
        self.filled += 1;
    }

    /// Whether so many more would make the batch full.
    pub(crate) fn is_full_with(&self, more: u64) -> bool {
        self.filled + more >= self.size
    }

    /// Ends the open transaction as the arguments say.
    pub(crate) async fn discharge(&mut self) -> Result<(), Failure> {
        self.discharge_as(self.discharge).await
    }

    /// Ends the open transaction without an effect.
    pub(crate) async fn roll_back(&mut self) -> Result<(), Failure> {
        self.discharge_as(Discharge::RollBack).await
    }

    async fn discharge_as(&mut self, discharge: Discharge) -> Result<(), Failure> {
        let Some(transaction) = self.open.take() else { return Ok(()) };
        let filled = std::mem::take(&mut self.filled);
        match discharge {
            Discharge::Commit => {
                transaction.commit().await?;
                self.committed += filled;
            }
            Discharge::RollBack => {
                transaction.rollback().await?;
                self.rolled_back += filled;
            }
        }
        Ok(())
    }
}
