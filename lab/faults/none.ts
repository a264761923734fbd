import type { Fault } from '../fault.js'
import { publish } from './striking.js'

export const none: Fault = {
  name: 'none',
  title: 'nothing goes wrong',
  story: 'Every message is delivered once and every call is answered.',
  ordersTimes: 5,
  async inject(stage) {
    await stage.join()
    await stage.join()
    publish(stage, [...stage.struck, ...stage.spared])
  },
}
