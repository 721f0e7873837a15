"""strongroom vault: each verb a module, loaded when it is called."""
