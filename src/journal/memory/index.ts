export { MemoryJournal, type MemoryJournalOptions, type Moment } from './journal.js'
export { MemoryTransaction } from './transaction.js'
