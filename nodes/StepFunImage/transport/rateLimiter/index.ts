export type { AccountLimits } from './credentialLimits';
export { createRateLimiter, type RateLimiter } from './rateLimiter';
export { rateLimiterFor } from './registry';
export type { ScheduleOptions } from './taskQueue';
