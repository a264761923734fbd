import { Command, InvalidArgumentError } from 'commander'
import { type Parsed, parse } from '../programs/command-line.js'
import type { System } from './system.js'
import { findSystem, SYSTEMS } from './systems/index.js'

/** What the command line asked for. */
export interface BenchOptions {
  readonly systems: readonly System[]
  readonly callers: readonly number[]
  readonly gatewayMs: readonly number[]
  readonly rounds: number
  readonly seconds: number
  readonly isQuick: boolean
  readonly correctness: boolean
  readonly speed: boolean
  readonly postgresUrl: string | null
  readonly profileFolder: string | null
  readonly json: string | null
  readonly svg: string | null
  readonly seed: number
}

/** What `--quick` looks at: enough to check the ratios that are promised. */
const QUICK = ['two-commits', 'batched', 'counterfoil', 'counterfoil-enqueue', 'graphile-worker']

/** Reads the command line. It never throws and never ends the process. */
export function parseArguments(args: readonly string[]): Parsed<BenchOptions> {
  return parse(describe(), args, optionsOf)
}

function optionsOf(given: Given): BenchOptions {
  const isQuick = given.quick === true
  return {
    systems: given.systems ?? SYSTEMS.filter(({ name }) => !isQuick || QUICK.includes(name)),
    callers: given.callers ?? (isQuick ? [1, 64] : [1, 16, 64, 256]),
    gatewayMs: given.gatewayMs ?? (isQuick ? [0] : [0, 50]),
    rounds: given.rounds ?? (isQuick ? 1 : 3),
    seconds: given.seconds ?? (isQuick ? 0.8 : 2),
    isQuick,
    correctness: given.correctness,
    speed: given.speed,
    postgresUrl: given.postgres ?? null,
    profileFolder: given.profile ?? null,
    json: given.json ?? null,
    svg: given.svg ?? null,
    seed: given.seed,
  }
}

interface Given {
  readonly systems?: readonly System[]
  readonly callers?: readonly number[]
  readonly gatewayMs?: readonly number[]
  readonly rounds?: number
  readonly seconds?: number
  readonly quick?: true
  readonly correctness: boolean
  readonly speed: boolean
  readonly postgres?: string
  readonly profile?: string
  readonly json?: string
  readonly svg?: string
  readonly seed: number
}

function describe(): Command {
  return new Command('npm run bench --')
    .description('Counterfoil beside its peers: effects a second, latency, commits, and what each charges twice.')
    .option('--quick', 'check ratios only, in about a minute; exits 1 when one is broken')
    .option('--systems <names>', `of ${SYSTEMS.map(({ name }) => name).join(', ')}`, (text) =>
      namesOf(text).map(systemOf),
    )
    .option('--callers <numbers>', 'effects asked for at once (default 1,16,64,256)', (text) =>
      namesOf(text).map(count),
    )
    .option('--gateway-ms <times>', 'how long the service takes to answer (default 0,50)', (text) =>
      namesOf(text).map(time),
    )
    .option('--rounds <number>', 'rounds, interleaved; the median counts (default 3)', count)
    .option('--seconds <number>', 'how long each cell is measured in each round (default 2)', time)
    .option('--no-correctness', 'measure speed only')
    .option('--no-speed', 'check only what reaches the service')
    .option('--postgres <url>', 'a PostgreSQL that serves nobody else (default: one of its own, from npm)')
    .option('--profile <folder>', 'write CPU profiles of the clients there')
    .option('--json <file>', 'write all figures')
    .option('--svg <file>', 'write a picture')
    .option('--seed <number>', 'the order in which cells follow one another', count, 1)
}

function namesOf(text: string): string[] {
  return text.split(',').map((name) => name.trim())
}

function systemOf(name: string): System {
  try {
    return findSystem(name)
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : '')
  }
}

function count(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('A whole number from 1 is needed.')
  return number
}

function time(text: string): number {
  const number = Number(text)
  if (!Number.isFinite(number) || number < 0) throw new InvalidArgumentError('A number from 0 is needed.')
  return number
}
