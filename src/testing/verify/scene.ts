import type { Capabilities } from '../../protocol/index.js'
import type { Rule, Treatment } from './gate.js'
import { PASS } from './gate.js'
import type { Check } from './report.js'
import { Stage, type StageOptions } from './stage.js'
import type { Subject } from './subject.js'

/** What the scenes of one verification share: the subject, and every stage that was set up for it. */
export class Scenery {
  readonly subject: Subject
  readonly capabilities: Capabilities
  readonly stages: Stage[] = []

  constructor(subject: Subject, capabilities: Capabilities) {
    this.subject = subject
    this.capabilities = capabilities
  }

  /** Sets a stage up, plays on it, and clears it away; what was seen on it stays. */
  async play<T>(options: StageOptions, act: (stage: Stage) => Promise<T>): Promise<T> {
    const stage = new Stage(this.subject, options)
    this.stages.push(stage)
    try {
      return await act(stage)
    } finally {
      await stage.close()
    }
  }

  /** How long a call may take where it is to meet its deadline: short, but no undisturbed call is as slow. */
  get shortTimeoutMs(): number {
    return Math.min(this.capabilities.limits.timeoutMs, Math.max(300, 4 * this.subject.facts.callMs + 100))
  }
}

/** One break, and what it shows. */
export type Scene = (scenery: Scenery) => Promise<readonly Check[]>

/** The first request that would make the effect happen is treated so; all others pass. */
export function first(treatment: Treatment): Rule {
  let struck = false
  return ({ effectful }) => {
    if (!effectful || struck) return PASS
    struck = true
    return treatment
  }
}

/** Every request of the first call that would make the effect happen is treated so: an SDK cannot get round it. */
export function wholeFirstCall(treatment: Treatment): Rule {
  return ({ effectful, during }) => (effectful && during?.call.attempt === 1 ? treatment : PASS)
}

/** A promise, and how to keep it. */
export function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let keep: () => void = () => undefined
  const promise = new Promise<void>((resolve) => {
    keep = resolve
  })
  return { promise, resolve: () => keep() }
}

/** Milliseconds as people say them. */
export function spoken(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`
  if (ms < 3_600_000) return `${Number((ms / 60_000).toFixed(1))} min`
  return `${Number((ms / 3_600_000).toFixed(1))} h`
}

/** What was thrown, in one line. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n')[0] ?? ''
}
