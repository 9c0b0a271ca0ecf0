module parcels

go 1.27
