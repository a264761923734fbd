import type { AuditTotal, Finding, Money } from '../protocol/index.js'
import { tableOf } from './table.js'

/** Findings for people, one a line. */
export function findingsTable(findings: readonly Finding[]): string {
  const head = ['FINDING', 'STATUS', 'KIND', 'EFFECT', 'KEY', 'OPERATION', 'MINOR UNITS', 'WHAT']
  const rows = findings.map((finding) => [
    ...[finding.id, finding.status, finding.kind, finding.effect, finding.key ?? '-', finding.externalId ?? '-'],
    ...[moneyOf(finding.amount ?? finding.expected), whatOf(finding)],
  ])
  return tableOf([head, ...rows])
}

/** How a finding stands, in a line of its own. */
export function wordsFor(finding: Finding): string {
  const { decidedBy, note } = finding
  const why = note === null ? '' : `: ${note}`
  switch (finding.status) {
    case 'repaired':
      return 'repaired. Its operation is undone, or its entry was settled by it.'
    case 'approved':
      return `approved by ${decidedBy}${why}`
    case 'refused':
      return `refused. The service does not undo it, and that stands${why}`
    case 'dismissed':
      return `dismissed by ${decidedBy}${why}`
    case 'open':
      return `open${why}`
  }
}

/** A line for one finding. */
export function lineOf(finding: Finding): string {
  return `${finding.id} ${finding.kind} ${finding.externalId ?? finding.key ?? ''}: ${wordsFor(finding)}\n`
}

/** Sums of findings for people, one a line. */
export function totalsTable(totals: readonly AuditTotal[]): string {
  const head = ['KIND', 'STATUS', 'FINDINGS', 'MINOR UNITS']
  const rows = totals.map(({ kind, status, count, minorUnits, currency }) => [
    ...[kind, status, String(count), moneyOf(currency === null ? null : { minorUnits, currency })],
  ])
  return tableOf([head, ...rows])
}

function moneyOf(money: Money | null): string {
  return money === null ? '-' : `${money.minorUnits} ${money.currency}`
}

function whatOf({ message, status, note }: Finding): string {
  return status === 'refused' && note !== null ? `${message} ${note}` : message
}
