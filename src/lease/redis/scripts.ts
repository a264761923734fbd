import { createHash } from 'node:crypto'

export interface Script {
  readonly source: string
  readonly sha: string
}

/**
 * Each script runs with two keys of one hash slot:
 *
 *     KEYS[1]  the lease:  { fence, holder, untilMs, epoch }   kept for a day after its last grant, for its fence
 *     KEYS[2]  the epoch:  { id, run, openAtMs, maxTtlMs }     kept for ever
 *
 * and begins with this prelude (ARGV[1]: maxTtlMs). An epoch is a stretch of time in which Redis is known to have
 * forgotten nothing: it has one run id (a restart and a promoted replica have another) and ends when its key is gone
 * (FLUSHALL, an empty restart). In a new epoch nothing is granted before every lease of the last one is over, and no
 * lease of the last one is renewed.
 *
 * The lease carries no Redis expiry of its own but `untilMs` on Redis' TIME: so its fence lasts past it, and volatile
 * eviction cannot pick it before others. Numbers are written by %.0f: Lua would round them to 14 digits.
 */
const PRELUDE = `
local function whole(n) return string.format('%.0f', n) end
local maxTtlMs = tonumber(ARGV[1])
local time = redis.call('TIME')
local nowUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
local nowMs = math.floor(nowUs / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if not run then return {'no_run_id'} end
local epoch = redis.call('HMGET', KEYS[2], 'id', 'run', 'openAtMs', 'maxTtlMs')
local created = not epoch[1] or epoch[2] ~= run
if created then
  local longest = math.max(maxTtlMs, tonumber(epoch[4] or '0'))
  epoch = { run .. ':' .. whole(nowUs), run, whole(nowMs + longest), whole(longest) }
  redis.call('HSET', KEYS[2], 'id', epoch[1], 'run', run, 'openAtMs', epoch[3], 'maxTtlMs', epoch[4])
end
if tonumber(epoch[4]) ~= maxTtlMs then return {'other_max_ttl', epoch[4]} end
`

function script(body: string): Script {
  const source = PRELUDE + body
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** Begins the epoch of a bucket if it has none. Answers `open` with the settings of eviction, or as the prelude. */
export const OPEN: Script = script(`
local memory = redis.call('INFO', 'memory')
local policy = string.match(memory, 'maxmemory_policy:([%w%-]+)') or 'unknown'
local limit = string.match(memory, 'maxmemory:(%d+)') or '0'
return {'open', policy, limit}
`)

/**
 * ARGV: maxTtlMs, holder, ttlMs, keepMs. Answers {granted, fence}, {held}, or {recovering, ms left, created 1|0};
 * created: this very call began the epoch.
 */
export const ACQUIRE: Script = script(`
local holder, ttlMs, keepMs = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local leftMs = tonumber(epoch[3]) - nowMs
if leftMs > 0 then return {'recovering', whole(leftMs), created and '1' or '0'} end
local lease = redis.call('HMGET', KEYS[1], 'fence', 'holder', 'untilMs', 'epoch')
local untilMs = tonumber(lease[3] or '0')
local taken = untilMs > nowMs
local again = taken and lease[2] == holder and lease[4] == epoch[1]
if taken and not again then return {'held'} end
local fence = lease[1]
if not again then
  fence = whole(redis.call('HINCRBY', KEYS[1], 'fence', 1))
  if tonumber(fence) < nowUs then
    fence = whole(nowUs)
    redis.call('HSET', KEYS[1], 'fence', fence)
  end
  untilMs = 0
end
untilMs = math.max(untilMs, nowMs + ttlMs)
redis.call('HSET', KEYS[1], 'holder', holder, 'untilMs', whole(untilMs), 'epoch', epoch[1])
redis.call('PEXPIREAT', KEYS[1], whole(untilMs + keepMs))
return {'granted', fence}
`)

/** ARGV: maxTtlMs, holder, fence, ttlMs, keepMs. Answers {renewed} or {over, created 1|0}. */
export const RENEW: Script = script(`
local holder, fence, ttlMs, keepMs = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local lease = redis.call('HMGET', KEYS[1], 'fence', 'holder', 'untilMs', 'epoch')
local untilMs = tonumber(lease[3] or '0')
if lease[1] ~= fence or lease[2] ~= holder or lease[4] ~= epoch[1] or untilMs <= nowMs then
  return {'over', created and '1' or '0'}
end
untilMs = math.max(untilMs, nowMs + ttlMs)
redis.call('HSET', KEYS[1], 'untilMs', whole(untilMs))
redis.call('PEXPIREAT', KEYS[1], whole(untilMs + keepMs))
return {'renewed'}
`)

/** ARGV: maxTtlMs, holder. Answers {released} or {over}. */
export const RELEASE: Script = script(`
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[2] then return {'over'} end
redis.call('HSET', KEYS[1], 'holder', '', 'untilMs', '0')
return {'released'}
`)
