import type { Fault } from '../fault.js'
import {
  connectionsTerminated,
  databaseBlackhole,
  databaseCut,
  databaseRestarted,
  databaseSlow,
  diskFull,
} from './database.js'
import { gatewayDown, gatewayHangs, gatewayUnavailable, rateLimited } from './gateway.js'
import { clockSkewed, deployed, killed, stopped } from './processes.js'
import { redisFlushed, redisPartitioned, redisRestarted } from './redis.js'

/** All faults that strike by themselves. Those of single requests (`REQUEST_FAULTS`) come on top. */
export const FAULTS: readonly Fault[] = [
  killed,
  stopped,
  deployed,
  clockSkewed,
  databaseRestarted,
  connectionsTerminated,
  databaseCut,
  databaseBlackhole,
  databaseSlow,
  diskFull,
  redisFlushed,
  redisRestarted,
  redisPartitioned,
  gatewayDown,
  gatewayUnavailable,
  gatewayHangs,
  rateLimited,
]
