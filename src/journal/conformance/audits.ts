import assert from 'node:assert/strict'
import {
  type AuditRun,
  type AuditStore,
  type Finding,
  type FindingDraft,
  type FindingsAmong,
  NO_COUNTS,
  uuidOfParts,
} from '../../protocol/index.js'
import type { ConformanceCase, World } from './subject.js'

/** An audit that found so many of each kind, and is over. */
async function audited(audits: AuditStore, world: World, fence: number, effect: string, found: number) {
  const nowMs = 1_700_000_000_000
  const run = await audits.start({
    ...{ namespace: world.namespace, effect, fromMs: nowMs, toMs: nowMs + 1_000, sinceMs: null },
    ...{ request: '{}', dueAtMs: null, fence, resumeWithinMs: 0 },
  })
  const drafts = Array.from({ length: found }, (_, i) => [
    draft(world, effect, 'duplicate', i),
    draft(world, effect, 'orphan', i),
  ]).flat()
  await audits.keep(run, drafts)
  return audits.advance(run, { state: 'complete', counts: NO_COUNTS, note: null })
}

function draft(world: World, effect: string, kind: 'duplicate' | 'orphan', i: number): FindingDraft {
  return {
    id: uuidOfParts(['conformance', world.namespace, effect, kind, String(i)]),
    ...{ kind, code: 'planted', message: 'It was planted.', externalId: `op_${i}`, reference: null, entryId: null },
    ...{ key: null, kept: null, amount: { minorUnits: 5, currency: 'eur' }, expected: null },
  }
}

/** All pages of two, one behind the other. */
async function paged(audits: AuditStore, among: FindingsAmong): Promise<Finding[]> {
  const all: Finding[] = []
  for (;;) {
    const page = await audits.findings(among, all.at(-1)?.id ?? null, 2)
    if (page.length === 0) return all
    all.push(...page)
  }
}

const idsOf = (of: readonly { readonly id: string }[]): string[] => of.map(({ id }) => id)

/** The listings of audits and findings, of a journal that keeps any. */
export function auditCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'audits are listed with their sums, the latest first, page by page and each once, of the effects that are asked for',
      run: async ({ journal: { audits } }, world) => {
        if (audits === null) return
        const made: AuditRun[] = []
        for (const [i, effect] of ['charge', 'mail', 'charge', 'charge', 'mail'].entries()) {
          made.unshift(await audited(audits, world, i + 1, effect, 1))
        }
        const both = [world.effect('charge'), world.effect('mail')]
        assert.deepEqual(await audits.runs(both, null, 10), made)
        assert.deepEqual(
          made[0]?.totals.map(({ kind, count }) => [kind, count]),
          [
            ['duplicate', 1],
            ['orphan', 1],
          ],
        )
        const charges = made.filter(({ effect }) => effect === 'charge')
        assert.deepEqual(await audits.runs([world.effect('charge')], null, 10), charges)
        const pages: AuditRun[] = []
        for (let page: readonly AuditRun[] = made; page.length > 0; pages.push(...page)) {
          page = await audits.runs(both, pages.at(-1) ?? null, 2)
        }
        assert.deepEqual(pages, made)
        assert.deepEqual(await audits.runs([world.effect('other')], null, 10), [])
      },
    },
    {
      name: 'findings are listed by audit or effect, kind and status, page by page and each once, in the order of their ids',
      run: async ({ journal: { audits } }, world) => {
        if (audits === null) return
        const { id: runId } = await audited(audits, world, 1, 'charge', 3)
        await audited(audits, world, 2, 'mail', 2)
        const effects = [world.effect('charge'), world.effect('mail')]
        const all = await paged(audits, { effects })
        assert.equal(all.length, 10)
        assert.deepEqual(idsOf(all), idsOf(all).sort())
        const charges = all.filter(({ effect }) => effect === 'charge')
        assert.deepEqual(await paged(audits, { runId }), charges)
        assert.deepEqual(await paged(audits, { effects: [world.effect('charge')] }), charges)
        const [first] = charges
        if (first === undefined) throw new Error('Nothing was found.')
        await audits.decide(first.id, ['open'], { status: 'refused', by: 'ada', note: null })
        for (const among of [{ runId }, { effects }]) {
          assert.deepEqual(idsOf(await paged(audits, { ...among, statuses: ['refused', 'repaired'] })), [first.id])
          const kinds = await paged(audits, { ...among, kinds: ['orphan'], statuses: ['open', 'refused'] })
          const orphans = ('runId' in among ? charges : all).filter(({ kind }) => kind === 'orphan')
          assert.deepEqual(idsOf(kinds), idsOf(orphans))
          assert.deepEqual(await paged(audits, { ...among, kinds: ['missing'] }), [])
        }
      },
    },
  ]
}
