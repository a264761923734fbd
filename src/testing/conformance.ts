// The promises of the ports that third parties may implement, as checks for any test runner.
export { type ConformanceTest, type JournalSubject, journalConformance } from '../journal/conformance/index.js'
export { type LeasePromise, type LeaseSubject, leasePromises } from '../lease/conformance.js'
