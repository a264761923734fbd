import type { Fault } from '../fault.js'
import { onFirstCharge, publish } from './striking.js'

export const responseLost: Fault = {
  name: 'response-lost',
  title: 'response lost after commit',
  story: 'The gateway takes the money and the connection breaks before its answer arrives.',
  async inject(stage) {
    await stage.gateway.setFaults(onFirstCharge(stage.struck, () => ({ kind: 'lose_response_after_commit' })))
    await stage.join()
    await stage.join()
    publish(stage, [...stage.struck, ...stage.spared])
  },
}
