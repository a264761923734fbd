import type { GatewaySettings } from './account.js'
import type { FaultRule } from './faults.js'
import { Ledger, type LedgerCharge } from './ledger.js'
import type { LoggedRequest, RequestFilter, RequestStage } from './request-log.js'

/** Drives and reads a gateway that runs as a process of its own, over its control port. */
export class GatewayControl {
  readonly #url: string

  /** `url` is the `controlUrl` that the process printed. */
  constructor(url: string) {
    this.#url = url
  }

  /** A snapshot of the ledger, with all its helpers. */
  async ledger(): Promise<Ledger> {
    const { charges } = (await this.#ask('GET', 'ledger')) as { charges: LedgerCharge[] }
    return Ledger.of(charges)
  }

  /** The requests that arrived and match, oldest first. */
  async requests(filter: RequestFilter = {}): Promise<LoggedRequest[]> {
    const { requests } = (await this.#ask('GET', `requests?${new URLSearchParams({ ...filter })}`)) as {
      requests: LoggedRequest[]
    }
    return requests
  }

  /** Resolves with the first request that reaches `stage` and matches, from now on or already in the log. */
  async until(stage: RequestStage, filter: RequestFilter = {}): Promise<LoggedRequest> {
    return (await this.#ask('GET', `until?${new URLSearchParams({ stage, ...filter })}`)) as LoggedRequest
  }

  /** Changes level, latency, search lag or key window for all that follows. */
  async configure(changes: Partial<GatewaySettings>): Promise<void> {
    await this.#ask('POST', 'settings', changes)
  }

  /** Adds a fault rule behind those that there are. */
  async fault(rule: FaultRule): Promise<void> {
    await this.#ask('POST', 'faults', rule)
  }

  /** Replaces all fault rules; counts begin anew. */
  async setFaults(rules: readonly FaultRule[]): Promise<void> {
    await this.#ask('PUT', 'faults', rules)
  }

  /** Forgets idempotency keys now, however young. */
  async pruneKeys(): Promise<void> {
    await this.#ask('POST', 'prune-keys')
  }

  /** The service's port refuses connections from now on. */
  async refuseConnections(): Promise<void> {
    await this.#ask('POST', 'refuse-connections')
  }

  /** The service's port accepts connections again. */
  async acceptConnections(): Promise<void> {
    await this.#ask('POST', 'accept-connections')
  }

  /** Forgets objects, keys, ledger, log and fault rules. */
  async reset(): Promise<void> {
    await this.#ask('POST', 'reset')
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#url}/_gateway/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json()
    if (response.ok) return answer
    throw new Error(`The gateway refused ${method} /_gateway/${path}: ${JSON.stringify(answer)}`)
  }
}
