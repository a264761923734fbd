import Table from 'cli-table3'
import { addedMs, type Results } from '../results.js'
import type { Row } from '../run.js'

/** All figures, as tables for a terminal. */
export function toText(results: Results): string {
  const waits = [...new Set(results.rows.map(({ gatewayMs }) => gatewayMs))]
  return [
    `Versions: ${pairs(results.versions)}`,
    `PostgreSQL: ${pairs(results.settings)}`,
    ...waits.map((gatewayMs) => `\nThe service answers after ${gatewayMs} ms\n${speedTable(results, gatewayMs)}`),
    ...(results.correctness.length === 0 ? [] : [`\nWhat reached the service\n${correctnessTable(results)}`]),
    ...results.leftOut.map(({ system, why }) => `Not measured: ${system}: ${why}`),
  ].join('\n')
}

function pairs(record: Readonly<Record<string, string>>): string {
  return Object.entries(record)
    .map(([name, value]) => `${name} ${value}`)
    .join(' · ')
}

/** The columns of speed tables. */
export const HEAD = [
  '',
  'callers',
  'effects/s',
  '±',
  'p50 +ms',
  'p99 +ms',
  'stmts',
  'commits',
  'WAL B',
  'client µs',
  'db µs',
  'RSS MiB',
]

function speedTable(results: Results, gatewayMs: number): string {
  const table = new Table({
    head: HEAD,
    style: { head: [], border: [], compact: true },
    colAligns: alignment(HEAD.length),
  })
  for (const row of results.rows.filter((each) => each.gatewayMs === gatewayMs)) {
    table.push([titleOf(results, row.system), ...figuresOf(results, row)])
  }
  return table.toString()
}

/** Callers, effects/s, spread, latency added, and what one effect costs. */
export function figuresOf(results: Results, row: Row): string[] {
  return [
    String(row.callers),
    Math.round(row.effectsPerSecond).toLocaleString('en'),
    `${Math.round(row.spread * 100)} %`,
    number(addedMs(results, row, 'p50Ms'), 2),
    number(addedMs(results, row, 'p99Ms'), 2),
    number(row.statementsPerEffect, 2),
    number(row.commitsPerEffect, 3),
    number(row.walBytesPerEffect, 0),
    number(row.clientCpuMicros, 0),
    number(row.databaseCpuMicros, 0),
    number(row.rssMiB, 0),
  ]
}

/** The columns of what reached the service. */
export const CHECKED = [
  '',
  'calls for 1,000 keys × 10',
  'answers/s',
  'receipts',
  'errors',
  'calls, from 2 processes',
  'answers/s',
  'charged twice of 64 after SIGKILL',
]

function correctnessTable(results: Results): string {
  const table = new Table({
    head: CHECKED,
    style: { head: [], border: [], compact: true },
    colAligns: alignment(CHECKED.length),
  })
  for (const each of results.correctness) table.push([titleOf(results, each.system), ...checkedOf(each)])
  return table.toString()
}

export function checkedOf(found: Results['correctness'][number]): string[] {
  const whole = (value: number | undefined): string =>
    value === undefined ? '–' : Math.round(value).toLocaleString('en')
  return [
    whole(found.callsFor1000Keys),
    whole(found.duplicateCallersPerSecond),
    whole(found.receipts),
    whole(found.errors),
    whole(found.inSeveral?.callsFor1000Keys),
    whole(found.inSeveral?.duplicateCallersPerSecond),
    whole(found.chargedTwiceAfterKill),
  ]
}

export function titleOf(results: Results, name: string): string {
  return results.systems.find(({ system }) => system === name)?.title ?? name
}

function alignment(columns: number): ('left' | 'right')[] {
  return Array.from({ length: columns }, (_, i) => (i === 0 ? 'left' : 'right'))
}

function number(value: number | null, digits: number): string {
  return value === null ? '–' : value.toFixed(digits)
}
