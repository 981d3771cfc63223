print("run by Python")
