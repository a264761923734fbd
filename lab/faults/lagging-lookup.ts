import type { Fault } from '../fault.js'
import { SEARCH_LAG_MS } from '../timing.js'
import { responseLost } from './response-lost.js'

/** At Stripe, search is less than a minute behind, and up to an hour in an outage: just when it is needed. */
export const laggingLookup: Fault = {
  name: 'lagging-lookup',
  title: 'look-ups that lag',
  story: "The response is lost, and the gateway's search does not show the payment yet.",
  gateway: { searchLagMs: SEARCH_LAG_MS },
  inject: responseLost.inject,
}
