import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { DOUBTS, type Doubt } from 'counterfoil/testing'
import { type Parsed, parse } from '../programs/command-line.js'
import type { Parts } from './results.js'

/** What the command line asked for. */
export interface SimulateOptions {
  readonly parts: Parts
  /** One history to be told; null: the parts are played. */
  readonly seed: number | null
  /** A server for the histories on PostgreSQL; null: an embedded one. */
  readonly postgresUrl: string | null
  readonly threads: number
  readonly json: string | null
}

/** Reads the command line. It never throws and never ends the process. */
export function parseArguments(args: readonly string[]): Parsed<SimulateOptions> {
  return parse(describe(), args, optionsOf)
}

/** What commander makes of the flags. */
interface Given {
  readonly seeds?: number
  readonly minutes?: number
  readonly seed?: number
  readonly from: number
  readonly doubt?: Doubt
  readonly random?: true
  readonly exhaustive?: true
  readonly mutants?: true
  readonly sql?: true
  readonly sqlSeeds?: number
  readonly postgres?: string
  readonly threads: number
  readonly json?: string
}

function optionsOf(given: Given): SimulateOptions {
  const chosen = [given.random, given.exhaustive, given.mutants, given.sql].includes(true)
  const parts = {
    random: given.random === true || !chosen,
    exhaustive: given.exhaustive === true || !chosen,
    mutants: given.mutants === true || !chosen,
    sqlSeeds: given.sql === true || given.sqlSeeds !== undefined || !chosen ? (given.sqlSeeds ?? 100) : 0,
    firstSeed: given.from,
    seeds: given.seeds ?? (given.minutes === undefined ? 20_000 : Number.MAX_SAFE_INTEGER),
    forMs: given.minutes === undefined ? null : given.minutes * 60_000,
    doubt: given.doubt ?? null,
  }
  return {
    parts,
    seed: given.seed ?? null,
    postgresUrl: given.postgres ?? null,
    threads: given.threads,
    json: given.json ?? null,
  }
}

function describe(): Command {
  return new Command('npm run simulate --')
    .description(
      'Plays histories of the production engine in a simulated world, under seeded faults, and checks them against what ' +
        'really happened there. Without --random, --exhaustive, --mutants or --sql it does all four. Ends with 1 if ' +
        'anything was broken, and with 130 if it was stopped (Ctrl-C) before, telling what it has seen so far.',
    )
    .option('--random', 'only histories by chance')
    .option('--exhaustive', 'only the small worlds, within the bounds that are printed with each')
    .option('--mutants', 'only deliberate bugs, each of which has to be found')
    .option('--sql', 'only histories by chance that are done again on PostgreSQL, with the same outcome')
    .option('--sql-seeds <n>', 'how many of those (default: 100)', count)
    .option('--postgres <url>', 'a server for them, on which databases may be made (default: an embedded one)')
    .option('--seeds <n>', 'histories by chance (default: 20000, or as many as --minutes has time for)', count)
    .option('--minutes <n>', 'no histories by chance after so long', minutes)
    .option('--from <seed>', 'the first seed', seed, 1)
    .option('--doubt <capability>', `only services that can do this: ${DOUBTS.join(', ')}`, capability)
    .option('--seed <seed>', 'plays one history and tells it; a failing one is shrunk', seed)
    .option('--threads <n>', 'threads', count, availableParallelism())
    .option('--json <file>', 'writes the figures as JSON')
    .allowExcessArguments(false)
}

function count(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError('A whole number from 1 is needed.')
  return number
}

// `Number` takes an empty text for 0.
function seed(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(number) || number < 0)
    throw new InvalidArgumentError('A whole number from 0 is needed.')
  return number
}

function minutes(text: string): number {
  const number = Number(text)
  if (!Number.isFinite(number) || number <= 0) throw new InvalidArgumentError('A number above 0 is needed.')
  return number
}

function capability(text: string): Doubt {
  const doubt = DOUBTS.find((each) => each === text)
  if (doubt === undefined) throw new InvalidArgumentError(`Give one of ${DOUBTS.join(', ')}.`)
  return doubt
}
