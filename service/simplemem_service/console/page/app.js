// Starts the parts of the console.

import { clearOperations, startOperations } from "./operations.js";
import { clearSearch, startSearch } from "./search.js";
import { clearStatus, refreshStatus, startStatus } from "./status.js";
import { clearTimeline, startTimeline } from "./timeline.js";
import { startToken } from "./token.js";

startToken(() => {
  // Nothing that one token could see stays for the next, or for none.
  clearSearch();
  clearTimeline();
  clearOperations();
  clearStatus();
  refreshStatus();
});
startSearch();
startTimeline();
startOperations(refreshStatus);
startStatus();
