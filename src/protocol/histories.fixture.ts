import fc from 'fast-check'
import type { Fate } from './service.fixture.js'
import type { Move } from './world.fixture.js'

/** What becomes of a call. */
const fate: fc.Arbitrary<Fate> = fc.record({
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constant('done' as const) },
    { weight: 2, arbitrary: fc.constantFrom('refused', 'declined', 'failing') },
    { weight: 4, arbitrary: fc.constantFrom('lost', 'turned_away', 'barred') },
  ),
  arrivesInMs: fc.nat(8),
  commitsInMs: fc.oneof(fc.constant(0), fc.nat(30)),
  showsInMs: fc.oneof(fc.constant(0), fc.constant(30), fc.nat(15)),
  answersInMs: fc.nat(12),
  answerArrives: fc.boolean(),
  happens: fc.boolean(),
})

/** A move of anybody's, of those that `act` draws. */
export const moveOf = (act: fc.Arbitrary<Move['act']>): fc.Arbitrary<Move> =>
  fc.record({
    // One worker that mostly gets on with it, and two that take over or come back from the dead.
    worker: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.constantFrom(1, 2) }),
    wait: fc.oneof(
      { weight: 20, arbitrary: fc.nat(4) },
      { weight: 5, arbitrary: fc.integer({ min: 5, max: 14 }) },
      { weight: 1, arbitrary: fc.integer({ min: 15, max: 80 }) },
      { weight: 10, arbitrary: fc.constant('next' as const) },
      { weight: 3, arbitrary: fc.constantFrom('lease' as const, 'proof' as const) },
      { weight: 1, arbitrary: fc.constant('window' as const) },
    ),
    act,
    fate,
  })

/** What workers do of themselves, and what goes wrong with them. */
export const workersActs: fc.Arbitrary<Move['act']> = fc.oneof(
  { weight: 12, arbitrary: fc.constant('go' as const) },
  { weight: 2, arbitrary: fc.constantFrom('crash', 'redeliver', 'late_copy') },
  { weight: 2, arbitrary: fc.constant('cannot_ask' as const) },
)
