import { scenarioOf } from './draw-scenario.js'
import { type Failure, tell } from './run.js'
import type { MessagePlan, Scenario, Terms } from './scenario.js'
import { shrink } from './shrink.js'

/** One history in words: what it is made of, what happened, what broke. */
export async function describe(scenario: Scenario): Promise<string> {
  const { violation, struck, lines } = await tell(scenario)
  const verdict = violation === null ? 'Nothing was broken.' : `BROKEN  ${violation.invariant}: ${violation.what}`
  return [...premises(scenario), '', ...lines, '', `faults  ${struck.join('  ') || 'none'}`, '', verdict].join('\n')
}

/** A failure: the seed that plays it again, and the smallest history that fails the same way. */
export async function describeFailure(
  { seed, doubt, invariant, what }: Failure,
  scenario = scenarioOf(seed, doubt ?? undefined),
): Promise<string> {
  const smallest = await shrink(scenario)
  const heading = [
    `seed ${seed} breaks ${invariant}: ${what}`,
    `It plays again, exactly, with: npm run simulate -- --seed ${seed}${doubt === null ? '' : ` --doubt ${doubt}`}`,
    'The smallest history that fails the same way:',
    '',
  ]
  return heading.join('\n') + (await describe(smallest))
}

function premises({ seed, terms, workers, messages, outages, duplicates, quietAtMs }: Scenario): string[] {
  const { doubt, timeoutMs, graceMs, windowMs, marginMs, settlesWithinMs, maxAttempts, patienceMs, maxFindFailures } =
    terms
  const keyed = doubt === 'key' || doubt === 'key_and_find'
  const found = doubt === 'find' || doubt === 'key_and_find'
  return [
    `seed ${seed}: the service ${doubt === 'park' ? 'can neither honour a key nor be asked' : `can do ${doubt}`}`,
    `  a call may take ${timeoutMs} ms, a lease lasts ${timeoutMs + graceMs} ms, at most ${maxAttempts} calls` +
      (patienceMs > 0 ? `, or as many as fit into ${patienceMs} ms` : '') +
      (keyed ? `, a key is good for ${windowMs} ms less ${marginMs}` : '') +
      (found ? `, a look-up proves after ${settlesWithinMs} ms, ${maxFindFailures} may fail` : '') +
      (terms.serialized ? ', all keys are of one customer and go one at a time' : '') +
      limitsOf(terms),
    ...workers.map(
      ({ rate, loops }, i) =>
        `  worker ${i + 1}: clock × ${rate.toFixed(4)}${loops === 'never' ? '' : ', runs the loop'}`,
    ),
    ...messages.map(({ atMs, worker, key, how, waitMs, notBefore }) => {
      const time = notBefore === null ? '' : `, not before ${inWords(notBefore)}`
      return `  at ${atMs} ms worker ${worker + 1} is asked to ${how} ${key}${time} and waits ${waitMs} ms`
    }),
    ...outages.map(({ atMs, forMs, clockStepMs }) => {
      return `  at ${atMs} ms the database is away for ${forMs} ms, and its clock steps by ${clockStepMs} ms`
    }),
    ...duplicates.map((key) => `  the service has a duplicate of ${key} that nobody here asked for`),
    `  nothing goes wrong after ${quietAtMs} ms`,
  ]
}

function limitsOf({ concurrency, rate }: Terms): string {
  const atOnce = concurrency === null ? '' : `, a loop carries ${concurrency} at once`
  return rate === null ? atOnce : `${atOnce}, and begins ${rate.calls} calls in any ${rate.perMs} ms`
}

function inWords(notBefore: NonNullable<MessagePlan['notBefore']>): string {
  return 'inMs' in notBefore ? `${notBefore.inMs} ms later` : `${notBefore.atMs} ms`
}
