import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { InvalidKeyError, type LeaseGrant, type LeaseService, usableLeaseMs } from '../protocol/index.js'
import { type Clock, realClock, realRandomness } from '../system/index.js'

/** An implementation under test. */
export interface LeaseSubject {
  readonly service: LeaseService
  /** The clock that the test waits by; it must run like the service's own. Default: the machine's. */
  readonly clock?: Clock
  /** How much later than its expiry the service may give a lease to another (for example its clock tolerance). */
  readonly toleranceMs?: number
}

/** One promise of {@link LeaseService}: `check` rejects where it is broken. Each uses keys of its own. */
export interface LeasePromise {
  readonly name: string
  readonly check: (subject: LeaseSubject) => Promise<void>
}

const LONG_MS = 10_000
const SHORT_MS = 300

/**
 * What every lease service must hold to, for any test runner:
 *
 *     for (const { name, check } of leasePromises) it(name, () => check({ service }))
 *
 * The service must be ready to grant, for leases of up to 10 s.
 */
export const leasePromises: readonly LeasePromise[] = [
  { name: 'of many that ask at once, one is granted the lease', check: grantsOne },
  { name: 'asking again with the same token answers the same grant', check: answersTheSameAgain },
  { name: 'fences grow across release and expiry', check: growsFences },
  { name: 'a grant lasts at least as long as its holder may count on, and not for ever', check: expires },
  { name: 'a renewed grant outlives its first ttl under the same fence', check: renews },
  { name: 'a renewal never shortens a grant', check: neverShortens },
  { name: 'a grant that is over cannot be renewed, even if nobody else took the lease', check: refusesLateRenewal },
  { name: 'a stale holder can neither renew nor release the lease of the next', check: ignoresStale },
  { name: 'a renewal under another fence or token changes nothing', check: ignoresForeign },
  { name: 'leases of different keys, however odd, do not touch each other', check: separatesKeys },
  { name: 'a key or ttl that cannot be kept is refused, and nothing is granted', check: refusesNonsense },
]

async function grantsOne({ service }: LeaseSubject): Promise<void> {
  const key = freshKey()
  for (let round = 0; round < 5; round++) {
    const asked = await Promise.all(Array.from({ length: 20 }, () => service.acquire(key, LONG_MS, token())))
    const granted = asked.filter((grant) => grant !== null)
    strictEqual(granted.length, 1)
    for (const grant of granted) await service.release(grant)
  }
}

async function answersTheSameAgain({ service }: LeaseSubject): Promise<void> {
  const key = freshKey()
  const holder = token()
  const first = granted(await service.acquire(key, LONG_MS, holder))
  deepStrictEqual(await service.acquire(key, LONG_MS, holder), first)
  strictEqual(await service.acquire(key, LONG_MS, token()), null)
  strictEqual(await service.renew(first, LONG_MS), true)
}

async function growsFences({ service, clock = realClock, toleranceMs = 0 }: LeaseSubject): Promise<void> {
  const key = freshKey()
  let last = 0
  for (let round = 0; round < 20; round++) {
    const grant = granted(await service.acquire(key, SHORT_MS, token()))
    ok(Number.isSafeInteger(grant.fence) && grant.fence > last, `fence ${grant.fence} after ${last}`)
    last = grant.fence
    if (round % 10 === 9) await clock.sleep(SHORT_MS + toleranceMs + 50)
    else await service.release(grant)
  }
}

async function expires({ service, clock = realClock, toleranceMs = 0 }: LeaseSubject): Promise<void> {
  const key = freshKey()
  const askedAtMs = clock.monotonicMs()
  const first = granted(await service.acquire(key, SHORT_MS, token()))
  const answeredAtMs = clock.monotonicMs()
  let next: LeaseGrant | null = null
  while (next === null) {
    next = await service.acquire(key, SHORT_MS, token())
    ok(clock.monotonicMs() < answeredAtMs + SHORT_MS + toleranceMs + 2_000, 'it does not expire')
  }
  ok(clock.monotonicMs() >= askedAtMs + usableLeaseMs(SHORT_MS), 'it went to another while its holder counted on it')
  ok(next.fence > first.fence)
}

async function renews({ service, clock = realClock }: LeaseSubject): Promise<void> {
  const key = freshKey()
  const grant = granted(await service.acquire(key, SHORT_MS, token()))
  strictEqual(await service.renew(grant, LONG_MS), true)
  await clock.sleep(SHORT_MS + 100)
  strictEqual(await service.acquire(key, SHORT_MS, token()), null)
  strictEqual(await service.renew(grant, LONG_MS), true)
}

async function neverShortens({ service, clock = realClock }: LeaseSubject): Promise<void> {
  const key = freshKey()
  const grant = granted(await service.acquire(key, LONG_MS, token()))
  strictEqual(await service.renew(grant, SHORT_MS), true)
  deepStrictEqual(await service.acquire(key, SHORT_MS, grant.holder), grant)
  await clock.sleep(SHORT_MS + 100)
  strictEqual(await service.acquire(key, SHORT_MS, token()), null)
}

async function refusesLateRenewal({ service, clock = realClock }: LeaseSubject): Promise<void> {
  const key = freshKey()
  const grant = granted(await service.acquire(key, SHORT_MS, token()))
  await clock.sleep(SHORT_MS + 50)
  strictEqual(await service.renew(grant, LONG_MS), false)
  const released = granted(await service.acquire(freshKey(), SHORT_MS, token()))
  await service.release(released)
  strictEqual(await service.renew(released, LONG_MS), false)
}

async function ignoresStale({ service }: LeaseSubject): Promise<void> {
  const key = freshKey()
  const stale = granted(await service.acquire(key, LONG_MS, token()))
  await service.release(stale)
  const current = granted(await service.acquire(key, LONG_MS, token()))
  strictEqual(await service.renew(stale, LONG_MS), false)
  await service.release(stale)
  strictEqual(await service.acquire(key, LONG_MS, token()), null)
  strictEqual(await service.renew(current, LONG_MS), true)
}

async function ignoresForeign({ service, clock = realClock, toleranceMs = 0 }: LeaseSubject): Promise<void> {
  const key = freshKey()
  const grant = granted(await service.acquire(key, SHORT_MS, token()))
  strictEqual(await service.renew({ ...grant, fence: grant.fence - 1 }, LONG_MS), false)
  strictEqual(await service.renew({ ...grant, holder: token() }, LONG_MS), false)
  await service.release({ key, holder: token() })
  await clock.sleep(SHORT_MS + toleranceMs + 50)
  ok(granted(await service.acquire(key, SHORT_MS, token())).fence > grant.fence)
}

async function separatesKeys({ service }: LeaseSubject): Promise<void> {
  const id = token()
  const odd = ['{}', '}{', '{a}', ':', ' ', '"', "'", '\\', '%00', '\n', 'é', '💳', id.padEnd(460, 'x')]
  const keys = ['', ...odd].map((text) => `${id}${text}`)
  const grants: LeaseGrant[] = []
  for (const key of keys) grants.push(granted(await service.acquire(key, LONG_MS, token())))
  for (const grant of grants) {
    strictEqual(await service.acquire(grant.key, LONG_MS, token()), null)
    await service.release(grant)
    granted(await service.acquire(grant.key, LONG_MS, token()))
  }
}

async function refusesNonsense({ service }: LeaseSubject): Promise<void> {
  for (const key of ['', 'x'.repeat(513), 'a\0b', '\ud800']) {
    await rejects(service.acquire(key, LONG_MS, token()), InvalidKeyError)
  }
  const key = freshKey()
  for (const ttlMs of [0, -1, 99, 100.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    await rejects(service.acquire(key, ttlMs, token()), { code: 'configuration' })
  }
  granted(await service.acquire(key, LONG_MS, token()))
}

function granted(grant: LeaseGrant | null): LeaseGrant {
  ok(grant !== null, 'the lease was free, and was not granted')
  return grant
}

function token(): string {
  return realRandomness.token()
}

function freshKey(): string {
  return `conformance-${token()}`
}
