import {
  type Difference,
  type Doubt,
  describeDifference,
  type Exhausted,
  type Failure,
  type LockstepSummary,
  SMALL_WORLDS,
  type Summary,
} from 'counterfoil/testing'
import { MUTANTS } from './mutants.js'
import type { Done, Task, Verdict } from './tasks.js'

/** What to do. */
export interface Parts {
  readonly random: boolean
  readonly exhaustive: boolean
  readonly mutants: boolean
  /** How many histories are done again on PostgreSQL. */
  readonly sqlSeeds: number
  readonly firstSeed: number
  readonly seeds: number
  /** No further histories by chance after so long; null: as long as all of them take. */
  readonly forMs: number | null
  readonly doubt: Doubt | null
}

/** Histories for one thread at a time. */
const CHUNK = 500

/** Hands out the tasks of a run, the long ones first; none any more once it is `stopped`. */
export function plan(parts: Parts, stopped: AbortSignal): () => Task | null {
  const untilMs = parts.forMs === null ? null : performance.now() + parts.forMs
  const long: Task[] = []
  if (parts.exhaustive) for (const [world] of SMALL_WORLDS.entries()) long.push({ kind: 'exhaustive', world })
  if (parts.mutants) for (const [mutant] of MUTANTS.entries()) long.push({ kind: 'mutant', mutant })
  let given = 0
  return () => {
    if (stopped.aborted) return null
    const task = long.shift()
    if (task !== undefined) return task
    const over = untilMs !== null && performance.now() >= untilMs
    const seeds = Math.min(CHUNK, parts.seeds - given)
    if (!parts.random || over || seeds <= 0) return null
    const firstSeed = parts.firstSeed + given
    given += seeds
    return { kind: 'random', firstSeed, seeds, doubt: parts.doubt }
  }
}

/** The figures of a run, as `--json` writes them. */
export interface Figures {
  /** How many seeds, counted from the first. */
  readonly seeds: number
  readonly firstSeed: number
  readonly histories: number
  readonly exhaustive: readonly {
    readonly world: string
    readonly states: number
    readonly schedules: number
    /** Whether nothing within the bounds was left out. */
    readonly complete: boolean
    readonly bounds: {
      readonly crashes: number
      readonly faults: number
      /** How many crashes and faults together. */
      readonly inAll: number
      readonly changesOfOrder: number
      /** What takes time took the least of it and the most, or the most alone. */
      readonly times: 'both' | 'most'
    }
    /** Kinds of faults that never struck in it. */
    readonly excludedFaults: readonly string[]
  }[]
  /** By seed, or by small world. */
  readonly violations: readonly {
    readonly seed?: number
    readonly world?: string
    readonly invariant: string
    readonly what: string
  }[]
  readonly mutants: readonly { readonly name: string; readonly killedAtSeed: number | null }[]
  /** Histories that were done again on PostgreSQL, counted from the first seed. */
  readonly sql: {
    readonly seeds: number
    /** Of these, those that were compared up to an operation whose answer nothing decides, and no further. */
    readonly undecided: number
    readonly operations: number
    readonly differences: readonly Difference[]
  }
}

/** Everything that a run has brought. */
export class Results {
  readonly #summaries: Summary[] = []
  readonly #exhausted: Exhausted[] = []
  readonly #verdicts: Verdict[] = []
  readonly #parts: Parts
  #sql: LockstepSummary = { histories: 0, undecided: 0, operations: 0, differences: [] }

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Takes a task's results, and says in words what is broken in them. */
  add(done: Done): readonly string[] {
    switch (done.kind) {
      case 'random':
        this.#summaries.push(done.summary)
        return done.summary.violations.map(brokenSeed)
      case 'exhaustive':
        this.#exhausted.push(done.exhausted)
        return done.exhausted.violations.map(
          ({ invariant, what }) => `  BROKEN  ${done.exhausted.world}: ${invariant}: ${what}`,
        )
      case 'mutant':
        this.#verdicts.push(done.verdict)
        return isCaught(done.verdict) ? [] : [verdictInWords(done.verdict)]
    }
  }

  addSql(summary: LockstepSummary): void {
    this.#sql = summary
  }

  get failures(): readonly Failure[] {
    return this.#summaries.flatMap(({ violations }) => violations).sort((one, other) => one.seed - other.seed)
  }

  /** How much was seen to be broken. */
  get broken(): number {
    const worlds = this.#exhausted.filter(({ violations, complete }) => violations.length > 0 || !complete)
    const mutants = this.#verdicts.filter((verdict) => !isCaught(verdict))
    return this.failures.length + worlds.length + mutants.length + this.#sql.differences.length
  }

  /** Nothing was broken, and all that was asked for was done: a run that has played nothing has shown nothing. */
  get good(): boolean {
    const { random, exhaustive, mutants, sqlSeeds } = this.#parts
    const done =
      (!random || this.#histories > 0) &&
      (!exhaustive || this.#exhausted.length === SMALL_WORLDS.length) &&
      (!mutants || this.#verdicts.length === MUTANTS.length) &&
      (sqlSeeds === 0 || this.#sql.histories > 0)
    return done && this.broken === 0
  }

  figures(): Figures {
    return {
      seeds: this.#histories,
      firstSeed: this.#parts.firstSeed,
      histories: this.#histories,
      exhaustive: this.#explored.map(({ world, states, schedules, complete, bounds, excluded }) => {
        const { crashes, faults, inAll, delays, times } = bounds
        const spent = { crashes, faults, inAll, changesOfOrder: delays, times }
        return { world, states, schedules, complete, bounds: spent, excludedFaults: excluded }
      }),
      violations: [
        ...this.failures.map(({ seed, invariant, what }) => ({ seed, invariant, what })),
        ...this.#explored.flatMap(({ world, violations }) =>
          violations.map(({ invariant, what }) => ({ world, invariant, what })),
        ),
      ],
      mutants: this.#hunted.map(({ name, killedBy }) => ({ name, killedAtSeed: killedBy?.seed ?? null })),
      sql: {
        seeds: this.#sql.histories,
        undecided: this.#sql.undecided,
        operations: this.#sql.operations,
        differences: this.#sql.differences,
      },
    }
  }

  /** The same in words. */
  describe(): string {
    return [...this.#ofChance(), ...this.#ofExploring(), ...this.#ofMutants(), ...this.#ofSql()].join('\n')
  }

  get #histories(): number {
    return this.#summaries.reduce((sum, { histories }) => sum + histories, 0)
  }

  get #explored(): readonly Exhausted[] {
    return SMALL_WORLDS.flatMap(({ name }) => this.#exhausted.filter(({ world }) => world === name))
  }

  get #hunted(): readonly Verdict[] {
    return MUTANTS.flatMap(({ name }) => this.#verdicts.filter((verdict) => verdict.name === name))
  }

  #ofChance(): string[] {
    if (this.#histories === 0) return this.#parts.random ? ['Histories by chance: NONE was played'] : []
    const steps = this.#summaries.reduce((sum, each) => sum + each.steps, 0)
    const lastSeed = this.#parts.firstSeed + this.#histories - 1
    const bySeed = this.failures.map(brokenSeed)
    return [
      `Histories by chance: ${this.#histories} (seeds ${this.#parts.firstSeed} to ${lastSeed}), ${steps} events`,
      `  faults  ${counts(this.#summaries.map(({ struck }) => struck))}`,
      `  ends    ${counts(this.#summaries.map(({ ends }) => ends))}`,
      ...(bySeed.length === 0 ? ['  no invariant was broken'] : bySeed.slice(0, 20)),
    ]
  }

  #ofExploring(): string[] {
    if (this.#explored.length === 0) return []
    const lines = this.#explored.flatMap(({ world, states, schedules, complete, violations }) => [
      `  ${String(states).padStart(9)} ${String(schedules).padStart(10)}  ${world}${complete ? '' : '  INCOMPLETE'}`,
      ...violations.flatMap(({ invariant, what, lines: story }) => [`  BROKEN  ${invariant}: ${what}`, ...story]),
    ])
    const states = this.#explored.reduce((sum, each) => sum + each.states, 0)
    const schedules = this.#explored.reduce((sum, each) => sum + each.schedules, 0)
    const excluded = this.#explored.map((each) => each.excluded.join(', '))
    return [
      'Small worlds, explored as far as their bounds go',
      '     states  schedules  world',
      ...lines,
      `  ${String(states).padStart(9)} ${String(schedules).padStart(10)}  in ${this.#explored.length} worlds`,
      ...[...new Set(excluded)].map(
        (kinds) => `  never struck in ${excluded.filter((each) => each === kinds).length} of them: ${kinds}`,
      ),
    ]
  }

  #ofMutants(): string[] {
    if (this.#hunted.length === 0) return []
    return ['Deliberate bugs, and the seed that caught each', ...this.#hunted.map(verdictInWords)]
  }

  #ofSql(): string[] {
    const { histories, undecided, operations, differences } = this.#sql
    if (histories === 0) return []
    const lastSeed = this.#parts.firstSeed + histories - 1
    const told = differences
      .slice(0, 3)
      .flatMap((difference) => [
        `DIFFERS: ${describeDifference(difference)}`,
        `It plays again, exactly, with: npm run simulate -- --sql --sql-seeds 1 --from ${difference.seed}`,
      ])
    return [
      `Histories done again on PostgreSQL: ${histories} (seeds ${this.#parts.firstSeed} to ${lastSeed}), ${operations} operations`,
      differences.length === 0
        ? '  every answer and every row that was compared is the same on both journals'
        : `  ${differences.length} come out otherwise than on the memory journal`,
      ...(undecided === 0
        ? []
        : [`  ${undecided} compared only up to where either of two entries might come first, by the simulated clock`]),
      ...told,
    ]
  }
}

function brokenSeed({ seed, invariant, what }: Failure): string {
  return `  BROKEN  seed ${seed}: ${invariant}: ${what}`
}

function isCaught({ killedBy, unseenIn }: Verdict): boolean {
  return killedBy !== null && unseenIn === null
}

function verdictInWords({ name, withinSeeds, fromSeed, killedBy, unseenIn, trouble }: Verdict): string {
  if (trouble !== null) return `  NOT MADE  ${name}: ${trouble}`
  if (unseenIn !== null) return `  NOT SEEN in the small world ${unseenIn}  ${name}`
  if (killedBy === null) return `  SURVIVES ${withinSeeds} seeds  ${name}`
  const from = fromSeed === 1 ? '' : ` (from ${fromSeed})`
  const place = `${String(killedBy.seed - fromSeed + 1).padStart(6)} of ${String(withinSeeds).padStart(6)}${from}`
  return `  ${place}  ${name}: ${killedBy.invariant}`
}

function counts(all: readonly Readonly<Record<string, number>>[]): string {
  const sums = new Map<string, number>()
  for (const each of all)
    for (const [name, count] of Object.entries(each)) sums.set(name, (sums.get(name) ?? 0) + count)
  const sorted = [...sums].sort(([, one], [, other]) => other - one)
  return sorted.map(([name, count]) => `${name} ${count}`).join(', ')
}
