import { type AuditedEffect, auditedEffect, journalOf } from './engine/audited.js'
import {
  type DeadSettlement,
  type DeadSettlementsOptions,
  listDeadSettlements,
  retryDeadSettlement,
} from './engine/dead-settlements.js'
import { type Effect, Counterfoil as Engine, type RuntimeEffect } from './engine/index.js'
import {
  type AuditsOptions,
  type ByPerson,
  type EffectAddress,
  type EffectEntry,
  type FindingsOptions,
  listAudits,
  listFindings,
  listParked,
  nameOf,
  type ParkedEffect,
  type ParkedOptions,
  type ResolvedByHand,
  type ResumeBy,
  type Resumed,
  readAudit,
  readEntry,
  readFinding,
  resolveByHand,
  resume,
  type SeenByHand,
} from './operations/index.js'
import { type AuditRun, ConfigurationError, type Finding } from './protocol/index.js'
import {
  type Approval,
  AuditReport,
  type AuditSchedule,
  approveFinding,
  dismissFinding,
  type Hint,
  type Hinted,
  type ReconcileOptions,
  reconcile,
  repairFinding,
  type ScheduleOptions,
  scheduleAudits,
  settleByHint,
} from './reconcile/index.js'

/**
 * Makes calls to external services take effect effectively once.
 *
 * `Tx` is the journal's transaction, as `settled` handlers see it.
 */
export class Counterfoil<Tx = unknown> extends Engine<Tx> {
  /**
   * Compares the service's own list with the journal, and repairs what `repair` allows: nothing by default. Everything
   * that it found and did is in the report, and stays saved. The effect may be given by its name.
   *
   * @throws {AuditIncomplete} the list could not be read or believed, and nothing was repaired on the strength of it; or the
   * audit was stopped, and what it had repaired by then stands.
   * @throws {AuditUnderWay} another audit of the effect is under way that was asked for differently.
   * @throws {ConfigurationError} the provider has no `list`, the journal keeps no audits, or an option makes no sense.
   */
  async reconcile<Raw, Receipt>(
    effect: Effect<Raw, Receipt, Tx> | string,
    options: ReconcileOptions = {},
  ): Promise<AuditReport> {
    return reconcile(this.#audited(effect), options)
  }

  /**
   * Audits an effect again and again, in whichever process holds the audit lease. Start it wherever `start` runs.
   *
   * @throws {ConfigurationError} when the schedule or an option makes no sense.
   */
  scheduleAudits<Raw, Receipt>(effect: Effect<Raw, Receipt, Tx>, options: ScheduleOptions): AuditSchedule {
    return scheduleAudits(this.#audited(effect), options)
  }

  /**
   * Approves a finding and repairs it: a duplicate or an orphan is undone, once. Approving what is repaired changes nothing.
   * With `repair: 'later'` it sends nothing: `repairFinding` does, or the next audit that may repair.
   *
   * @throws {ConfigurationError} there is no such finding, nothing of its kind is repaired by undoing, or the service has
   * refused to undo it.
   */
  async approveFinding(id: string, by: Approval): Promise<Finding> {
    return approveFinding(await this.#ofFinding(id), id, by)
  }

  /**
   * Says that what was found may stay as it is. Dismissing what is dismissed changes nothing.
   *
   * @throws {ConfigurationError} there is no such finding, it is repaired, or actor or reason is missing.
   */
  async dismissFinding(id: string, by: { readonly actor: string; readonly reason: string }): Promise<Finding> {
    return dismissFinding(await this.#ofFinding(id), id, by)
  }

  /**
   * Carries out the repair of a finding that is approved: its operation is undone, once. Still `approved` afterwards: the
   * outcome is not known yet, and the undoing goes on by itself, in a process that has called `start`.
   *
   * @throws {ConfigurationError} there is no such finding, or nobody has approved it. Nothing was sent.
   */
  async repairFinding(id: string): Promise<Finding> {
    return repairFinding(await this.#ofFinding(id), id)
  }

  /**
   * The audits, the latest first, a page at a time.
   *
   * @throws {ConfigurationError} the effect is not among those of this Counterfoil, or the journal keeps no audits.
   */
  async audits(options: AuditsOptions<Tx> = {}): Promise<readonly AuditRun[]> {
    if (options.effect !== undefined) this.#audited(options.effect)
    return listAudits(this, options)
  }

  /**
   * The findings of one audit, or those of all that wait for a person, in the order of their ids, a page at a time.
   *
   * @throws {ConfigurationError} the effect or the audit is not among those of this Counterfoil, or the journal keeps no
   * audits.
   */
  async findings(options: FindingsOptions<Tx> = {}): Promise<readonly Finding[]> {
    if (options.effect !== undefined) this.#audited(options.effect)
    return listFindings(this, options)
  }

  /** One finding as it stands now; null where there is none. */
  async finding(id: string): Promise<Finding | null> {
    return readFinding(this, id)
  }

  /** The saved report of an audit of this namespace; null where there is none. */
  async auditReport(runId: string): Promise<AuditReport | null> {
    const { audits } = journalOf(this)
    const run = audits === null ? null : await readAudit(this, runId)
    return audits === null || run === null ? null : new AuditReport(audits, run)
  }

  /**
   * Ends a doubt sooner, because an event of the service says that there is news of an effect. The event itself is not
   * believed, only that something may be seen now: the service is asked. Verify its signature first.
   *
   * @throws {JournalError} the journal could not be reached: let the service deliver the event again.
   */
  settleByHint<Raw, Receipt>(effect: Effect<Raw, Receipt, Tx>, hint: Hint): Promise<Hinted> {
    return settleByHint(this.#audited(effect), hint)
  }

  /**
   * The outcomes whose `settled` handler is dead: it failed `settledAttempts` times, `onSettledFailed` was told, and it is
   * not run again by itself. The oldest first.
   */
  deadSettlements(options: DeadSettlementsOptions<Tx> = {}): Promise<readonly DeadSettlement[]> {
    return listDeadSettlements(this, options)
  }

  /**
   * Makes a dead `settled` handler due again, once its cause is mended: at once, with as many tries as a new one has. It
   * runs in a process that has the handler and has called `start`.
   *
   * `effect`: or the name of one, as `deadSettlements` tells it.
   *
   * @returns false when it is not dead; nothing was changed.
   * @throws {ConfigurationError} the effect is not among those of this Counterfoil.
   */
  async retrySettlement<Raw, Receipt>(effect: Effect<Raw, Receipt, Tx> | string, key: string): Promise<boolean> {
    return retryDeadSettlement(this, this.#audited(effect).effect.name, key)
  }

  /**
   * The effects that need a person or an audit, the longest parked first. Hooks are told at most once; this is to be sure of
   * every one of them.
   *
   * @throws {ConfigurationError} the effect is not among those of this Counterfoil.
   */
  async parked(options: ParkedOptions<Tx> = {}): Promise<readonly ParkedEffect[]> {
    if (options.effect !== undefined) this.#audited(options.effect)
    return listParked(this, options)
  }

  /**
   * How an effect stands now, by its id (of whoever was answered 202: `EffectInDoubt.identity` will do) or by its effect and
   * key; null where there is none. It reads the journal alone, and makes no call.
   *
   * @throws {ConfigurationError} the effect that is named is not among those of this Counterfoil.
   */
  async entry(address: EffectAddress<Tx>): Promise<EffectEntry | null> {
    if (!('id' in address)) this.#audited(address.effect)
    return readEntry(this, address)
  }

  /**
   * Has a parked effect tried again, once its cause is mended (the service is back, the code is). It makes no call itself:
   * what is proven not to have happened waits for its turn again, for a process that has called `start`. What may have
   * happened is looked up first (P4): what is found settles it, what is surely absent is tried again. Where it cannot be
   * looked up, it is called again while its key protects the call. Anything else stays parked, with the reason in the answer.
   *
   * `effect`: or the name of one, as `onParked` tells it, which is how an undoing is named.
   *
   * @throws {ConfigurationError} the effect is not among those of this Counterfoil, or actor or reason is missing.
   * @throws {JournalError} the journal could not be reached: nothing was sent. Ask again.
   */
  async resume<Raw, Receipt>(effect: Effect<Raw, Receipt, Tx> | string, key: string, by: ResumeBy): Promise<Resumed> {
    return resume(this.#audited(effect), key, by)
  }

  /**
   * Ends a parked doubt by the word of a person who has looked at the service, where nothing can prove it: with the receipt
   * that later callers are given, or as failed. It stays marked as such for ever (`forcedBy`), and after a "no" no new
   * generation begins. Where the service can be asked it is asked first: what it says is proof, and goes before. The same
   * said again changes nothing; what is not parked, or is known, stays as it is, with the reason in the answer.
   *
   * `effect`: or the name of one, as `onParked` tells it, which is how an undoing is named.
   *
   * @throws {ConfigurationError} the effect is not among those of this Counterfoil, actor or reason is missing, or what is
   *   said makes no sense (a receipt that its schema refuses). Nothing was done.
   * @throws {InvalidInputError} the receipt is no JSON. Nothing was done.
   * @throws {JournalError} the journal could not be reached: ask again.
   */
  async resolveByHand<Raw, Receipt>(
    effect: Effect<Raw, Receipt, Tx> | string,
    key: string,
    what: SeenByHand,
    by: ByPerson,
  ): Promise<ResolvedByHand> {
    return resolveByHand(this.#audited(effect), key, what, by)
  }

  async #ofFinding(id: string): Promise<AuditedEffect<Tx>> {
    const finding = await readFinding(this, id)
    if (finding === null) throw new ConfigurationError(`There is no finding ${id}. Nothing was done.`)
    return this.#audited(finding.effect)
  }

  #audited(effect: RuntimeEffect<Tx> | string): AuditedEffect<Tx> {
    const name = nameOf(effect)
    const audited = auditedEffect(this, name)
    if (audited !== null) return audited
    throw new ConfigurationError(
      `The effect ${JSON.stringify(name)} is not among the effects of this Counterfoil. Add it to \`effects\`.`,
    )
  }
}
