import { type Counterfoil, internalsOf } from '../engine/counterfoil.js'
import type { RuntimeEffect } from '../engine/effect.js'
import {
  type AuditRun,
  type AuditStore,
  ConfigurationError,
  type EffectName,
  type Finding,
  type FindingKind,
  type FindingStatus,
  isId,
} from '../protocol/index.js'
import { auditsOf } from '../reconcile/index.js'
import { nameOf } from './entry.js'

export interface AuditsOptions<Tx> {
  /** An effect, or the name of one. Default: all effects of this Counterfoil. */
  readonly effect?: RuntimeEffect<Tx> | string
  /** How many at most. Default 20. */
  readonly limit?: number
  /** Goes on behind this one: the last of the page before, `page.at(-1)`. */
  readonly after?: Pick<AuditRun, 'id' | 'startedAtMs'> | undefined
}

export interface FindingsOptions<Tx> {
  /** An effect, or the name of one. Default: all effects of this Counterfoil. */
  readonly effect?: RuntimeEffect<Tx> | string
  /** Only those that this audit saw. Default: whichever audit saw them. */
  readonly runId?: string
  /** Only these kinds. Default: all. */
  readonly kinds?: readonly FindingKind[]
  /** Only these statuses. Default: of an audit all, else what waits for a person, `open` and `refused`. */
  readonly statuses?: readonly FindingStatus[]
  /** How many at most. Default 100. */
  readonly limit?: number
  /** Goes on behind this one: the last of the page before, `page.at(-1)`. */
  readonly after?: Pick<Finding, 'id'> | undefined
}

/** What waits for a person: to be approved or dismissed, or only dismissed, since the service has refused to undo it. */
const WAITING: readonly FindingStatus[] = ['open', 'refused']

/** Lists audits, the latest first. */
export async function listAudits<Tx>(
  counterfoil: Counterfoil<Tx>,
  { effect, limit = 20, after }: AuditsOptions<Tx>,
): Promise<readonly AuditRun[]> {
  return storeOf(counterfoil).runs(namesOf(counterfoil, effect), after ?? null, checkLimit(limit))
}

/** Lists findings, in the order of their ids. */
export async function listFindings<Tx>(
  counterfoil: Counterfoil<Tx>,
  { effect, runId, kinds, statuses, limit = 100, after }: FindingsOptions<Tx>,
): Promise<readonly Finding[]> {
  const store = storeOf(counterfoil)
  const effects = namesOf(counterfoil, effect)
  checkLimit(limit)
  if (after !== undefined) checkId(after.id)
  const behind = after?.id ?? null
  const only = kinds === undefined ? {} : { kinds }
  if (runId === undefined) return store.findings({ effects, ...only, statuses: statuses ?? WAITING }, behind, limit)
  checkRun(await readAudit(counterfoil, runId), runId, effects)
  return store.findings({ runId, ...only, ...(statuses === undefined ? {} : { statuses }) }, behind, limit)
}

/** Reads one finding of this Counterfoil's namespace; null where there is none. */
export async function readFinding<Tx>(counterfoil: Counterfoil<Tx>, id: string): Promise<Finding | null> {
  if (!isId(id)) return null
  const finding = await storeOf(counterfoil).finding(id)
  return finding?.namespace === internalsOf(counterfoil).core.context.namespace ? finding : null
}

/** Reads one audit of this Counterfoil's namespace; null where there is none. */
export async function readAudit<Tx>(counterfoil: Counterfoil<Tx>, runId: string): Promise<AuditRun | null> {
  if (!isId(runId)) return null
  const run = await storeOf(counterfoil).run(runId)
  return run?.namespace === internalsOf(counterfoil).core.context.namespace ? run : null
}

function storeOf<Tx>(counterfoil: Counterfoil<Tx>): AuditStore {
  return auditsOf(internalsOf(counterfoil).core)
}

function namesOf<Tx>(counterfoil: Counterfoil<Tx>, effect: RuntimeEffect<Tx> | string | undefined): EffectName[] {
  const { namespace, effects } = internalsOf(counterfoil).core.context
  const names = effect === undefined ? [...effects.keys()] : [nameOf(effect)]
  return names.map((name) => ({ namespace, effect: name }))
}

/** An audit that is not there would look like one that found nothing. */
function checkRun(run: AuditRun | null, runId: string, effects: readonly EffectName[]): void {
  if (run !== null && effects.some(({ effect }) => effect === run.effect)) return
  const of = effects.length === 1 ? `of ${effects[0]?.effect}` : 'of the effects of this Counterfoil'
  throw new ConfigurationError(`There is no audit ${runId} ${of}.`)
}

function checkId(id: string): void {
  if (!isId(id)) throw new ConfigurationError(`${JSON.stringify(id)} is no id of a finding.`)
}

function checkLimit(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 0) return limit
  throw new ConfigurationError(`limit is ${limit}: give a whole number from 0.`)
}
