export type { WireRequest } from './observed.js'
export {
  assertVerified,
  type Check,
  type CheckName,
  formatReport,
  type Verdict,
  VerificationFailed,
  type VerifyReport,
} from './report.js'
export {
  type EffectVerification,
  type FakeService,
  gatewayService,
  type ServiceAddress,
  type ServiceSource,
  type VerificationRun,
  type VerificationSpec,
  type VerifyOptions,
} from './verification.js'
export { defineVerification, type Verification, verifyEffect } from './verify.js'
