print("run by Lua")
