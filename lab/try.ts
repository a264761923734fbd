import { runCell } from './cell.js'
import { FAULTS } from './faults/index.js'
import { Lane } from './lane.js'
import { STRATEGIES } from './strategies/index.js'
import { Databases } from './surroundings.js'
const d = await Databases.start()
const lane = new Lane()
const [ss, ff] = [process.argv[2]?.split(','), process.argv[3]?.split(',')]
for (const strategy of STRATEGIES) for (const fault of FAULTS) {
  if (ss && !ss.includes(strategy.name)) continue
  if (ff && !ff.includes(fault.name)) continue
  const t = Date.now()
  const o = await runCell({ strategy, fault, orders: 100, seed: 1 }, { lane, redisUrl: 'redis://127.0.0.1:6379', openDatabase: (c) => d.open(c) })
  console.log(strategy.name, strategy.gateway, fault.name, Date.now() - t, JSON.stringify(o))
}
await lane.end()
await d.stop()
