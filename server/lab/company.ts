/** Clients in the test's own process, whose timers are on the server's clock. */
export interface Company {
  isIdle(): boolean
  idle(): Promise<void>
}
